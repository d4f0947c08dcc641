-- Makes the data of import_and_report.lua.    nebula run examples/generate.lua FOLDER [ORDERS]
--
-- Three files of a small shop in tab-separated columns: customers, products and one year of orders. The seed is
-- fixed, so everybody gets the same bytes.

local folder = args[1] or error("usage: nebula run examples/generate.lua FOLDER [ORDERS]", 0)
local orders = tonumber(args[2] or 120000)
local CUSTOMERS, PRODUCTS = 2500, 240
local YEAR_BEGINS, YEAR_SECONDS = 1735689600, 365 * 86400 -- 2025, UTC

math.randomseed(20250101)
local random = math.random

local first_names = { "Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan",
  "John", "Katherine", "Leslie", "Margaret", "Niklaus", "Radia", "Shafi", "Tony", "Vera", "Whitfield" }
local last_names = { "Abel", "Bernoulli", "Cantor", "Dirichlet", "Euler", "Fourier", "Germain", "Hilbert", "Jacobi",
  "Kovalevskaya", "Lagrange", "Markov", "Noether", "Poincare", "Riemann", "Sturm", "Turan", "Weil" }
local countries = { { "DE", 30 }, { "FR", 22 }, { "ES", 14 }, { "IT", 12 }, { "NL", 9 }, { "PL", 8 }, { "SE", 5 } }
local categories = { books = 1800, garden = 4200, kitchen = 3500, music = 2400, office = 1500, toys = 2200 }
local category_names = { "books", "garden", "kitchen", "music", "office", "toys" }
local states = { { "paid", 90 }, { "returned", 7 }, { "open", 3 } }

-- One of a list of { value, weight }; the weights add up to 100.
local function weighted(list)
  local at = random(100)
  for _, one in ipairs(list) do
    at = at - one[2]
    if at <= 0 then
      return one[1]
    end
  end
end

local function write(name, count, row)
  local file = assert(io.open(folder .. "/" .. name .. ".tsv", "w"))
  for id = 1, count do
    file:write(table.concat({ id, row(id) }, "\t"), "\n")
  end
  assert(file:close())
  print(("%s/%s.tsv: %d rows"):format(folder, name, count))
end

write("customers", CUSTOMERS, function()
  return first_names[random(#first_names)] .. " " .. last_names[random(#last_names)], weighted(countries)
end)

local prices = {}
write("products", PRODUCTS, function(id)
  local category = category_names[random(#category_names)]
  prices[id] = math.floor(categories[category] * (0.3 + random() ^ 3 * 6)) -- most are cheap, a few are not
  return ("%s no. %03d"):format(category, id), category, prices[id]
end)

-- Orders come in the order of time, more of them before the end of the year.
write("orders", orders, function(id)
  local at = YEAR_BEGINS + math.floor(((id - 1) / orders) ^ 0.9 * YEAR_SECONDS)
  local product = math.min(random(PRODUCTS), random(PRODUCTS)) -- low numbers sell better
  local quantity = random() < 0.8 and 1 or random(2, 6)
  return os.date("!%Y-%m-%d %H:%M:%S", at), random(CUSTOMERS), product, quantity, prices[product] * quantity,
    weighted(states)
end)
