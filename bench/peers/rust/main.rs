//! lend deadpool|deadpool.unmanaged|bb8 - takes from a pool of ten and gives back, in one task, for bench/pools.lua:
//! for each line with a number of times the ns of this thread that they took. The connections and their manager do
//! nothing.

use std::io::BufRead;

mod things;
use things::{Connection, Manager};

const SIZE: usize = 10;

fn thread_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    assert_eq!(
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) },
        0
    );
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

async fn answer(take_and_give: impl AsyncFn(u64)) {
    for line in std::io::stdin().lock().lines() {
        let times = line.unwrap().parse().unwrap();
        let begun = thread_ns();
        take_and_give(times).await;
        println!("{}", thread_ns() - begun);
    }
}

async fn deadpool() {
    let pool = deadpool::managed::Pool::<Manager>::builder(Manager)
        .max_size(SIZE)
        .build()
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..SIZE {
        all.push(pool.get().await.unwrap());
    }
    drop(all);
    answer(async |times| {
        for _ in 0..times {
            drop(pool.get().await.unwrap());
        }
    })
    .await
}

async fn unmanaged() {
    let pool =
        deadpool::unmanaged::Pool::from((0..SIZE as u64).map(Connection).collect::<Vec<_>>());
    answer(async |times| {
        for _ in 0..times {
            drop(pool.get().await.unwrap());
        }
    })
    .await
}

async fn bb8() {
    let size = SIZE as u32;
    let pool = bb8::Pool::builder()
        .max_size(size)
        .min_idle(size)
        .build(Manager)
        .await
        .unwrap();
    answer(async |times| {
        for _ in 0..times {
            drop(pool.get().await.unwrap());
        }
    })
    .await
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    // A task is sent away after 128 turns without having waited; this one is not, which is in the peers' favour.
    match std::env::args().nth(1).as_deref() {
        Some("deadpool") => runtime.block_on(tokio::task::unconstrained(deadpool())),
        Some("deadpool.unmanaged") => runtime.block_on(tokio::task::unconstrained(unmanaged())),
        Some("bb8") => runtime.block_on(tokio::task::unconstrained(bb8())),
        other => panic!("which pool is {other:?}?"),
    }
}
