//! crowd deadpool|deadpool.unmanaged|bb8 TASKS - tasks for two connections on one thread, for bench/waits.lua: each line
//! is a time in us for which they take and give back as fast as they can; the answer is what came of it. Every 16th
//! time is timed. Each task holds its first connection until the others have asked.

use std::io::BufRead;
use std::time::{Duration, Instant};

mod things;
use things::{Connection, Manager};

const SIZE: usize = 2;
const EVERY: u64 = 16;

trait Pool: Clone + 'static {
    async fn take(&self) -> impl Sized;
}

#[derive(Clone)]
struct Managed(deadpool::managed::Pool<Manager>);

impl Pool for Managed {
    async fn take(&self) -> impl Sized {
        self.0.get().await.unwrap()
    }
}

#[derive(Clone)]
struct Unmanaged(deadpool::unmanaged::Pool<Connection>);

impl Pool for Unmanaged {
    async fn take(&self) -> impl Sized {
        self.0.get().await.unwrap()
    }
}

#[derive(Clone)]
struct Bb8(bb8::Pool<Manager>);

impl Pool for Bb8 {
    async fn take(&self) -> impl Sized {
        self.0.get().await.unwrap()
    }
}

async fn work<P: Pool>(pool: P, until: Instant) -> (u64, Vec<u64>) {
    let mut waited = Vec::new();
    let begun = Instant::now();
    let first = pool.take().await;
    waited.push(begun.elapsed().as_nanos() as u64);
    tokio::task::yield_now().await;
    drop(first);
    let mut rounds = 0;
    loop {
        for _ in 1..EVERY {
            drop(pool.take().await);
        }
        let begun = Instant::now();
        let one = pool.take().await;
        let now = Instant::now();
        drop(one);
        waited.push((now - begun).as_nanos() as u64);
        rounds += EVERY;
        if now >= until {
            return (rounds, waited);
        }
    }
}

fn quantile(waited: &mut [u64], percent: usize) -> u64 {
    waited.sort_unstable();
    waited[waited.len() * percent / 100]
}

async fn crowd<P: Pool>(pool: &P, tasks: usize, span: Duration) {
    let begun = Instant::now();
    let all: Vec<_> = (0..tasks)
        .map(|_| tokio::task::spawn_local(work(pool.clone(), begun + span)))
        .collect();
    let mut members = Vec::new();
    for one in all {
        members.push(one.await.unwrap());
    }
    let took = begun.elapsed().as_nanos();
    let worst = members.iter_mut().map(|m| quantile(&mut m.1, 99)).max().unwrap();
    let rounds = || members.iter().map(|m| m.0);
    let mut waited: Vec<u64> = members.iter().flat_map(|m| m.1.clone()).collect();
    println!(
        "{} {} {} {} {} {} {}",
        rounds().sum::<u64>(),
        took,
        rounds().min().unwrap(),
        rounds().max().unwrap(),
        quantile(&mut waited, 50),
        quantile(&mut waited, 99),
        worst
    );
}

async fn answer<P: Pool>(pool: P, tasks: usize) {
    for line in std::io::stdin().lock().lines() {
        let span = Duration::from_micros(line.unwrap().parse().unwrap());
        crowd(&pool, tasks, span).await;
    }
}

async fn named(name: &str, tasks: usize) {
    match name {
        "deadpool" => {
            let pool = deadpool::managed::Pool::builder(Manager).max_size(SIZE).build();
            answer(Managed(pool.unwrap()), tasks).await
        }
        "deadpool.unmanaged" => {
            let things = (0..SIZE as u64).map(Connection).collect::<Vec<_>>();
            answer(Unmanaged(deadpool::unmanaged::Pool::from(things)), tasks).await
        }
        "bb8" => {
            let size = SIZE as u32;
            let pool = bb8::Pool::builder().max_size(size).min_idle(size).build(Manager).await;
            answer(Bb8(pool.unwrap()), tasks).await
        }
        other => panic!("which pool is {other:?}?"),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let here = tokio::task::LocalSet::new();
    here.block_on(&runtime, named(&words[1], words[2].parse().unwrap()));
}
