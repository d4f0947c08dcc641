-- Settings that hold themselves. They are cut, and refused.
-- expect: refused "holds too many values"

local settings = {}
settings.retry, settings.call = settings, { deadline = settings }

policy "h086"(settings)
