// crowd.js generic-pool|tarn TASKS - tasks for two connections, for bench/waits.lua: each line is a time in us for which
// they take and give back as fast as they can; the answer is what came of it. The first and every 16th time are timed. Each task holds
// its first connection until the others have asked.
const readline = require('readline')

const SIZE = 2
const EVERY = 16
const create = async () => ({})

async function generic() {
  const pool = require('generic-pool').createPool({ create, destroy: async () => {} }, { min: SIZE, max: SIZE })
  await pool.ready()
  return { take: () => pool.acquire(), give: one => pool.release(one) }
}

async function tarn() {
  const pool = new (require('tarn').Pool)({ create, destroy: () => {}, min: SIZE, max: SIZE })
  const all = await Promise.all(Array.from({ length: SIZE }, () => pool.acquire().promise))
  for (const one of all) pool.release(one)
  return { take: () => pool.acquire().promise, give: one => pool.release(one) }
}

const now = () => performance.now() * 1e6

function quantile(waited, percent) {
  waited.sort((a, b) => a - b)
  return waited[Math.floor(waited.length * percent / 100)]
}

async function work(pool, until, waited) {
  const asked = now()
  const first = await pool.take()
  waited.push(now() - asked)
  await new Promise(setImmediate)
  pool.give(first)
  for (let rounds = EVERY; ; rounds += EVERY) {
    for (let i = 1; i < EVERY; i++) pool.give(await pool.take())
    const begun = now()
    const one = await pool.take()
    const at = now()
    pool.give(one)
    waited.push(at - begun)
    if (at >= until) return rounds
  }
}

async function crowd(pool, tasks, spanUs) {
  const waits = Array.from({ length: tasks }, () => [])
  const begun = now()
  const rounds = await Promise.all(waits.map(waited => work(pool, begun + spanUs * 1000, waited)))
  const took = now() - begun
  const worst = Math.max(...waits.map(waited => quantile(waited, 99)))
  const all = waits.flat()
  console.log([rounds.reduce((a, b) => a + b), took, Math.min(...rounds), Math.max(...rounds), quantile(all, 50),
    quantile(all, 99), worst].map(Math.round).join(' '))
}

async function answer(pool) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await crowd(pool, Number(process.argv[3]), Number(line))
  }
}

const pools = { 'generic-pool': generic, tarn }
pools[process.argv[2]]().then(answer).then(
  () => process.exit(0),
  problem => { console.error(problem); process.exit(1) },
)
