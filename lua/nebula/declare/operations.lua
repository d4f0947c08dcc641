--- operations: calls of a resource that go by another policy than it does, by the names that a call says.

local operations = {}

local NAME_MOST = 63
local MOST = 32 -- the engine has 64, and policies that are named by calls count among them

--- The row of them among the settings of a resource.
operations.row = {
  type = "map", max = MOST,
  text = "Calls that go by another policy, by the name that a call says as `operation`: the name of a policy, or "
    .. "{ policy = \"critical\", priority = \"critical\", apart = true }.",
  of = {
    type = "table", short = "policy",
    fields = {
      policy = { type = "string", required = true, max = 64, class = "live", text = "The name of its policy." },
      priority = {
        type = "enum", one_of = { "normal", "critical", "batch" }, default = "normal", class = "live",
        text = "Which of them goes first, and is shed last, where calls wait.",
      },
      apart = {
        type = "boolean", default = false, class = "live",
        text = "It has a circuit, a rate, a limit and times of its own. Else what it does counts with the others, and "
          .. "their circuit, rate and limit are its own, too.",
      },
    },
  },
}

local function check_name(one, name)
  if #name > NAME_MOST or not name:find "^%a[%w_%.%-]*$" then
    one:fail({ "operations", name },
      "a name begins with a letter, goes on with letters, digits, _ - or . and has at most " .. NAME_MOST .. " of them")
  end
end

---@class nebula.DeclaredOperation
---@field policy_name string
---@field policy table in the engine's units
---@field priority "normal"|"critical"|"batch"
---@field is_apart boolean

--- What a declaration says of them.
---@param one nebula.Declaration which knows whom to tell of a mistake
---@param said table<string, table> checked
---@param policy_of fun(name: string): table|nil, string|nil in the engine's units, or why there is none
---@return table<string, nebula.DeclaredOperation>|nil nil when there are none
function operations.read(one, said, policy_of)
  local list = {}
  for name, each in pairs(said) do
    check_name(one, name)
    local policy, why = policy_of(each.policy)
    if not policy then
      one:fail({ "operations", name, "policy" }, why)
    end
    list[name] = { policy_name = each.policy, policy = policy, priority = each.priority, is_apart = each.apart }
  end
  return next(list) and list or nil
end

return operations
