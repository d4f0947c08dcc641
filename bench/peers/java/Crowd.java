import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;
import org.apache.commons.pool2.impl.GenericObjectPool;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;

/**
 * Crowd hikari|commons THREADS - threads for two connections, for bench/waits.lua: each line is a time in us for which
 * they take and give back as fast as they can; the answer is what came of it. Every 16th time is timed. commons-pool2 is
 * told to be fair; HikariCP has no such setting.
 */
final class Crowd {
    private static final int SIZE = 2;
    private static final int EVERY = 16;
    private static final int SAMPLES = 20000;

    private interface Pool {
        /** Takes one, tells when it was there, and gives it back. */
        long takeAndGive(boolean timed) throws Exception;
    }

    private static final class Member extends Thread {
        final Pool pool;
        final long untilNs;
        final CountDownLatch begin;
        final long[] waited = new long[SAMPLES];
        int samples;
        long rounds;
        Exception problem;

        Member(Pool pool, long untilNs, CountDownLatch begin) {
            this.pool = pool;
            this.untilNs = untilNs;
            this.begin = begin;
        }

        private void work() throws Exception {
            begin.countDown();
            begin.await();
            timeOne();
            do {
                for (int i = 1; i < EVERY; i++) pool.takeAndGive(false);
                rounds += EVERY;
            } while (timeOne() < untilNs);
        }

        private long timeOne() throws Exception {
            long begun = System.nanoTime();
            long now = pool.takeAndGive(true);
            if (samples < SAMPLES) waited[samples++] = now - begun;
            return now;
        }

        @Override
        public void run() {
            try {
                work();
            } catch (Exception e) {
                problem = e;
            }
        }
    }

    private static Pool hikari() throws Exception {
        HikariConfig config = new HikariConfig();
        config.setDataSource((DataSource) Lend.idle(DataSource.class));
        config.setMaximumPoolSize(SIZE);
        HikariDataSource source = new HikariDataSource(config);
        while (source.getHikariPoolMXBean().getIdleConnections() < SIZE) Thread.sleep(1);
        return timed -> {
            Connection one = source.getConnection();
            long now = timed ? System.nanoTime() : 0;
            one.close();
            return now;
        };
    }

    private static Pool commons() throws Exception {
        GenericObjectPoolConfig<Object> config = new GenericObjectPoolConfig<>();
        config.setFairness(true);
        GenericObjectPool<Object> pool = new GenericObjectPool<>(new Lend.Things(), config);
        pool.setMaxTotal(SIZE);
        pool.setMaxIdle(SIZE);
        pool.setMinIdle(SIZE);
        pool.preparePool();
        return timed -> {
            Object one = pool.borrowObject();
            long now = timed ? System.nanoTime() : 0;
            pool.returnObject(one);
            return now;
        };
    }

    private static long quantile(long[] waited, int samples, int percent) {
        Arrays.sort(waited, 0, samples);
        return waited[(int) ((long) samples * percent / 100)];
    }

    private static void crowd(Pool pool, int threads, long spanUs) throws Exception {
        Member[] members = new Member[threads];
        CountDownLatch begin = new CountDownLatch(threads);
        long begun = System.nanoTime();
        for (int i = 0; i < threads; i++) {
            members[i] = new Member(pool, begun + spanUs * 1000, begin);
            members[i].start();
        }
        long worst = 0, all = 0, slowest = Long.MAX_VALUE, fastest = 0;
        long[] waited = new long[threads * SAMPLES];
        int samples = 0;
        for (Member m : members) {
            m.join();
            if (m.problem != null) throw m.problem;
            all += m.rounds;
            slowest = Math.min(slowest, m.rounds);
            fastest = Math.max(fastest, m.rounds);
            worst = Math.max(worst, quantile(m.waited, m.samples, 99));
            System.arraycopy(m.waited, 0, waited, samples, m.samples);
            samples += m.samples;
        }
        long took = System.nanoTime() - begun;
        System.out.println(all + " " + took + " " + slowest + " " + fastest + " " + quantile(waited, samples, 50) + " "
            + quantile(waited, samples, 99) + " " + worst);
    }

    public static void main(String[] words) throws Exception {
        Pool pool = words[0].equals("hikari") ? hikari() : commons();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            crowd(pool, Integer.parseInt(words[1]), Long.parseLong(line));
        }
        System.exit(0);
    }
}
