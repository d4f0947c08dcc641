// lend.js generic-pool|tarn - takes from a pool of ten and gives back, in one task, for bench/pools.lua: for each line
// with a number of times the ns of this process that they took.
const readline = require('readline')

const SIZE = 10
const create = async () => ({})

async function generic() {
  const pool = require('generic-pool').createPool({ create, destroy: async () => {} }, { min: SIZE, max: SIZE })
  await pool.ready()
  return async times => {
    for (let i = 0; i < times; i++) pool.release(await pool.acquire())
  }
}

async function tarn() {
  const pool = new (require('tarn').Pool)({ create, destroy: () => {}, min: SIZE, max: SIZE })
  const all = await Promise.all(Array.from({ length: SIZE }, () => pool.acquire().promise))
  for (const one of all) pool.release(one)
  return async times => {
    for (let i = 0; i < times; i++) pool.release(await pool.acquire().promise)
  }
}

async function answer(takeAndGive) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const begun = process.cpuUsage()
    await takeAndGive(Number(line))
    const used = process.cpuUsage(begun)
    console.log((used.user + used.system) * 1000)
  }
}

const pools = { 'generic-pool': generic, tarn }
pools[process.argv[2]]().then(answer).then(
  () => process.exit(0),
  problem => { console.error(problem); process.exit(1) },
)
