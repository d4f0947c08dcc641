-- Looks for where in memory things lie by tostring() and format(). They say what it is, not where.
-- expect: true

policy "h058" {
  retry = { on = function(e)
    local said = tostring({}) .. tostring(tostring) .. ("%s%s"):format({}, error) .. tostring(e)
    return said == "tablefunctiontablefunctiontable"
  end },
}
