--- version: of the project as a whole.

return "0.1.0"
