import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.ratelimiter.RateLimiter;
import io.github.resilience4j.ratelimiter.RateLimiterConfig;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * Guard all|circuit|retry|rate|bulkhead|open - calls that do nothing, decorated by resilience4j: for each line with a
 * number of times the ns of this thread that they took, less those of as many that nothing decorates. All go well; open
 * is a circuit breaker alone, which refuses all. What collector and compiler do on their threads is not counted.
 *
 * Around each other as its guide has them: retry, circuit breaker, rate limiter, bulkhead, the call. There is no time
 * limiter: it needs a second thread, for the call or for the time, which would cost more than all the others. Nobody
 * listens to events, exceptions have no stack, and the circuit breaker counts behind a lock, as it does by default:
 * without one it took 82 ns instead of 75.
 */
final class Guard {
    private static final Object DONE = new Object();

    private static long called;

    private static Object call() {
        called++;
        return DONE;
    }

    private static CircuitBreaker circuit() {
        return CircuitBreaker.of("guard", CircuitBreakerConfig.custom()
            .slidingWindowSize(100)
            .minimumNumberOfCalls(20)
            .failureRateThreshold(50)
            .slowCallRateThreshold(80)
            .slowCallDurationThreshold(Duration.ofSeconds(1))
            .waitDurationInOpenState(Duration.ofDays(1))
            .writableStackTraceEnabled(false)
            .build());
    }

    private static CircuitBreaker open() {
        CircuitBreaker circuit = circuit();
        circuit.transitionToOpenState();
        return circuit;
    }

    private static Retry retry() {
        return Retry.of("guard", RetryConfig.custom().maxAttempts(3).build());
    }

    private static RateLimiter rate() {
        return RateLimiter.of("guard", RateLimiterConfig.custom()
            .limitForPeriod(1_000_000_000)
            .limitRefreshPeriod(Duration.ofSeconds(1))
            .timeoutDuration(Duration.ZERO)
            .build());
    }

    private static Bulkhead bulkhead() {
        return Bulkhead.of("guard", BulkheadConfig.custom().maxConcurrentCalls(1000).build());
    }

    private static Supplier<Object> all(Supplier<Object> call) {
        Supplier<Object> inner = RateLimiter.decorateSupplier(rate(), Bulkhead.decorateSupplier(bulkhead(), call));
        return Retry.decorateSupplier(retry(), CircuitBreaker.decorateSupplier(circuit(), inner));
    }

    private static Supplier<Object> named(String name, Supplier<Object> call) {
        switch (name) {
            case "all": return all(call);
            case "circuit": return CircuitBreaker.decorateSupplier(circuit(), call);
            case "retry": return Retry.decorateSupplier(retry(), call);
            case "rate": return RateLimiter.decorateSupplier(rate(), call);
            case "bulkhead": return Bulkhead.decorateSupplier(bulkhead(), call);
            case "open": return CircuitBreaker.decorateSupplier(open(), call);
            default: throw new IllegalArgumentException(name);
        }
    }

    /** How many were done. */
    private static int decorated(Supplier<Object> call, int times) {
        int done = 0;
        for (int i = 0; i < times; i++) {
            try {
                if (call.get() == DONE) done++;
            } catch (CallNotPermittedException refused) {
                continue;
            }
        }
        return done;
    }

    private static int bare(Supplier<Object> call, int times) {
        int done = 0;
        for (int i = 0; i < times; i++) {
            if (call.get() == DONE) done++;
        }
        return done;
    }

    private static void check(int done, int times) {
        if (done != times) throw new IllegalStateException(done + " of " + times + " were done");
    }

    public static void main(String[] words) throws Exception {
        Supplier<Object> call = Guard::call, guarded = named(words[0], call);
        boolean isOpen = words[0].equals("open");
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            int times = Integer.parseInt(line);
            long begun = threads.getCurrentThreadCpuTime();
            check(decorated(guarded, times), isOpen ? 0 : times);
            long between = threads.getCurrentThreadCpuTime();
            check(bare(call, times), times);
            System.out.println(2 * between - begun - threads.getCurrentThreadCpuTime());
        }
        System.exit(0);
    }
}
