// select.js TASKS CONNECTIONS ACCOUNTS WARM_MS MEASURED_MS - prepared one-row selects through node-postgres' own pool.
//
// Prints "ANSWERS WALL_US CPU_US" of the measured time, after some time in which the compiler gets warm.
const { Pool } = require('pg')

const [tasks, connections, accounts, warm, measured] = process.argv.slice(2).map(Number)
const pool = new Pool({ max: connections, min: connections })

async function ask(until) {
  let asked = 0
  do {
    const id = 1 + Math.floor(Math.random() * accounts)
    const answer = await pool.query({ name: 'one', text: 'select balance from account where id = $1', values: [id] })
    if (typeof answer.rows[0].balance !== 'number') throw new Error('no number')
    asked++
  } while (performance.now() < until)
  return asked
}

async function round(ms) {
  const cpu = process.cpuUsage(), begun = performance.now()
  const asked = await Promise.all(Array.from({ length: tasks }, () => ask(begun + ms)))
  const wall = performance.now() - begun, used = process.cpuUsage(cpu)
  return [asked.reduce((a, b) => a + b), wall * 1000, used.user + used.system]
}

round(warm).then(() => round(measured)).then(
  answer => { console.log(answer.join(' ')); process.exit(0) },
  problem => { console.error(problem); process.exit(1) },
)
