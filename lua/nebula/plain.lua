--- plain: text of others, such as a server's, as a terminal may be given it: nothing in it moves the cursor or paints.

local function escape(letter)
  return letter == "\n" and "\\n" or ("\\u%04x"):format(letter:byte(-1))
end

--- The text with its control characters written out, as the log does it.
---@param text string
---@param has_lines boolean|nil newlines and tabs are meant
---@return string
return function(text, has_lines)
  local controls = has_lines and "[%z\1-\8\11-\31\127]" or "[%z\1-\31\127]"
  return (text:gsub(controls, escape):gsub("\194[\128-\159]", escape))
end
