-- examples_expected.lua - what the examples print, byte for byte; the data's seed is fixed.
local expected = {}

expected.sums = { -- md5 of what generate writes
  customers = "c858eeaa73eff42ccf6ade0fde79594c",
  products = "0b9a481a3ab2fddafdd96c170aa10aca",
  orders = "c42b917f6d3f8057c9f930e509847868",
}

expected.prints = {}

expected.prints.first_query = [[
1	Ada	first
2	Grace	-
3	Edsger	-
3 guests
nil	query	fix	failed
]]

expected.prints.transaction = [[
before: ada has 100.00, grace has 5.00
after 25.00 from ada to grace: ada has 75.00, grace has 30.00
too much:	nil	constraint	failed
as it was: ada has 75.00, grace has 30.00
the savepoint:	nil	constraint
one cent more for ada: ada has 75.01, grace has 30.00
]]

expected.prints.fan_out = [[
all of them:	true	nil
7	7
10	10
70	70
700	700
1000	1000
100000	100000
counting to 5:	5
counting to 50:	50
counting to 2000000000:	deadline
within 500 ms:	nil	deadline
and afterwards:	3
]]

expected.prints.workers = [[
30 ranges done, 30 written
230631 has 442 steps
263103 has 406 steps
270271 has 406 steps
every worker sees the same: 28
]]

expected.prints.job_queue = [[
job 1: was there before anybody listened
job 2: wake up
job 3: and another one
job 4: once more
nobody listens any more
4 jobs done, 0 left
]]

-- What only one of the kinds can do.
expected.only = { job_queue = "postgresql" }

expected.report = [[
imported 2500 customers, 240 products, 120000 orders

Revenue by country
  DE                   35794 orders     2709026.76
  FR                   22184 orders     1702572.37
  ES                   14477 orders     1111608.73
  IT                   12529 orders      980149.01
  NL                   10064 orders      774105.37
  PL                    8395 orders      651226.26
  SE                    4573 orders      348902.09

Revenue by quarter
  Q1                   22879 orders     1743136.91
  Q2                   26722 orders     2053046.35
  Q3                   28678 orders     2219841.65
  Q4                   29737 orders     2261565.68

Best five products
  garden no. 021         801 orders      311087.04
  kitchen no. 002        864 orders      288127.95
  kitchen no. 072        659 orders      206278.10
  kitchen no. 071        639 orders      195143.04
  kitchen no. 019        826 orders      190913.28

In all: 108016 orders paid, 8277590.59; 8415 returned
]]

return expected
