import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.util.ConcurrentBag;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.apache.commons.pool2.BasePooledObjectFactory;
import org.apache.commons.pool2.PooledObject;
import org.apache.commons.pool2.impl.DefaultPooledObject;
import org.apache.commons.pool2.impl.GenericObjectPool;

/**
 * Lend hikari|bag|commons - takes from a pool of ten and gives back, on one thread, for bench/pools.lua: for each line
 * with a number of times the ns of this thread that they took. What the collector and the compiler do on their threads
 * is not counted.
 */
final class Lend {
    private static final int SIZE = 10;

    private interface Pool {
        void takeAndGive(int times) throws Exception;
    }

    private static final class Entry extends AtomicInteger implements ConcurrentBag.IConcurrentBagEntry {
        @Override
        public void setState(int state) {
            set(state);
        }

        @Override
        public int getState() {
            return get();
        }
    }

    static final class Things extends BasePooledObjectFactory<Object> {
        @Override
        public Object create() {
            return new Object();
        }

        @Override
        public PooledObject<Object> wrap(Object thing) {
            return new DefaultPooledObject<>(thing);
        }
    }

    /** A connection or its source: whatever it is asked succeeds, and it does nothing. */
    static Object idle(Class<?> type) {
        return Proxy.newProxyInstance(Lend.class.getClassLoader(), new Class<?>[] {type}, Lend::answer);
    }

    private static Object answer(Object self, Method asked, Object[] with) {
        Class<?> type = asked.getReturnType();
        if (type == void.class) return null;
        if (type == boolean.class) return true;
        if (type == int.class) return 0;
        return type == Connection.class ? idle(Connection.class) : null;
    }

    private static Pool hikari() throws Exception {
        HikariConfig config = new HikariConfig();
        config.setDataSource((DataSource) idle(DataSource.class));
        config.setMaximumPoolSize(SIZE);
        HikariDataSource source = new HikariDataSource(config);
        while (source.getHikariPoolMXBean().getIdleConnections() < SIZE) Thread.sleep(1);
        return times -> {
            for (int i = 0; i < times; i++) source.getConnection().close();
        };
    }

    private static Pool bag() {
        ConcurrentBag<Entry> bag = new ConcurrentBag<>(waiting -> {});
        for (int i = 0; i < SIZE; i++) bag.add(new Entry());
        return times -> {
            for (int i = 0; i < times; i++) bag.requite(bag.borrow(1, TimeUnit.SECONDS));
        };
    }

    private static Pool commons() throws Exception {
        GenericObjectPool<Object> pool = new GenericObjectPool<>(new Things());
        pool.setMaxTotal(SIZE);
        pool.setMaxIdle(SIZE);
        pool.setMinIdle(SIZE);
        pool.preparePool();
        return times -> {
            for (int i = 0; i < times; i++) pool.returnObject(pool.borrowObject());
        };
    }

    private static Pool named(String name) throws Exception {
        switch (name) {
            case "hikari": return hikari();
            case "bag": return bag();
            case "commons": return commons();
            default: throw new IllegalArgumentException(name);
        }
    }

    public static void main(String[] words) throws Exception {
        Pool pool = named(words[0]);
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            int times = Integer.parseInt(line);
            long begun = threads.getCurrentThreadCpuTime();
            pool.takeAndGive(times);
            System.out.println(threads.getCurrentThreadCpuTime() - begun);
        }
        System.exit(0);
    }
}
