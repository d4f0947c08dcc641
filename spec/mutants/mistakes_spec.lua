-- What is planted into a line of C, and what is left alone.
local mistakes = require "spec.mutants.mistakes"

-- The changes in a statement of a function, as "what becomes what", sorted as they stand.
local function changes(statement, head)
  local text = ("%s\nvoid f(int a, int b, int c)\n{\n%s\n}\n"):format(head or "", statement)
  local list = {}
  for at, one in ipairs(mistakes.of(text)) do list[at] = text:sub(one.from, one.to) .. " -> " .. one.with:gsub("^$", "nothing") end
  return list
end

-- A change is written "a < b -> a <= b"; what stands around it is not.
local function plants(statement, expected, head)
  local wanted = {}
  for change in expected:gmatch "[^\n]+" do wanted[#wanted + 1] = change:match "^%s*(.-)%s*$" end
  assert.same(wanted, changes(statement, head))
end

describe("mistakes", function()
  it("compare with the neighbours, and say the contrary", function()
    plants("if (a < b) return;", [[
      a < b -> !(a < b)
      < -> <=
      < -> >
      return; -> {}]])
    plants("while (a == b) continue;", [[
      a == b -> !(a == b)
      == -> !=
      == -> <=
      == -> >=
      continue; -> {}]])
    plants("bool x = a != b;", [[
      != -> <
      != -> ==
      != -> > ]])
  end)

  it("leave out a part of a condition, turn it round, and join it otherwise", function()
    plants("return a && f(b) || !c;", [[
      a -> !(a)
      a -> 1
      a && f(b) -> !(a && f(b))
      a && f(b) -> 0
      && -> ||
      f(b) -> !(f(b))
      f(b) -> 1
      || -> &&
      ! -> nothing
      !c -> 0]])
    plants("x = (a || b) ? b : c;", [[
      x = (a || b) ? b : c; -> {}
      (a || b) -> !((a || b))
      a -> !(a)
      a -> 0
      || -> &&
      b -> !(b)
      b -> 0]])
  end)

  it("ask of each ?: in a chain alone, and take ! away once", function()
    plants("return a ? b : !c ? 'x' : b;", [[
      a -> !(a)
      ! -> nothing]])
  end)

  it("change signs of arithmetic, but not those of pointers, types and casts", function()
    plants("x += -a * (int64_t)b + *p;", [[
      x += -a * (int64_t)b + *p; -> {}
      += -> -=
      - -> nothing
      * -> /
      + -> -]])
    plants("const struct node *n = &list[a % b], *m = n++;", [[
      % -> /
      ++ -> --]])
    plants("x = (wide)a << sizeof *b;", "x = (wide)a << sizeof *b; -> {}\n<< -> >>", "typedef int wide;")
    plants("*out = (struct pair){a & b, c ^ b};", "*out = (struct pair){a & b, c ^ b}; -> {}\n& -> |\n^ -> &")
  end)

  it("count one more, one less and none, but not in the size of an array, a label or an enum", function()
    plants("x(7, 0, 0xffU, 1.5, true);", [[
      x(7, 0, 0xffU, 1.5, true); -> {}
      7 -> 0
      7 -> 6
      7 -> 8
      0 -> -1
      0 -> 1
      0xffU -> (0xffU + 1)
      0xffU -> (0xffU - 1)
      0xffU -> 0
      1.5 -> (1.5 + 1)
      1.5 -> (1.5 - 1)
      1.5 -> 0
      true -> false]])
    plants("char text[64]; switch (a) { case 3: break; default: return; }", "break; -> {}\nreturn; -> {}",
      "enum { ONE = 1 };\nstruct s { int of[2]; };\n#if 3 > 2\n#endif")
  end)

  it("are in the words of a #define and of a table, too", function()
    plants("", "8 -> 0\n8 -> 7\n8 -> 9\n* -> /\n2 -> 0\n2 -> 1\n2 -> 3", "static const int row[4] = {8};\n#define TWICE(x) ((x) \\\n * 2)")
  end)

  it("are not in texts and comments, nor where nothing is decided", function()
    plants([[g("1 < 2" /* a < b */, 'a'); // 3]], [[g("1 < 2" /* a < b */, 'a'); -> {}]])
    plants("goto out; out: ; struct pair p;", "")
    plants("for (int i = a; ; ) {}", "")
  end)

  it("read each kind of loop", function()
    plants("for (x = a; x > b; x--) g();", [[
      x > b -> !(x > b)
      > -> <
      > -> >=
      -- -> ++
      g(); -> {}]])
    plants("do a--; while (a);", "a--; -> {}\n-- -> ++\na -> !(a)")
    plants("list_each(a, b) g();", "g(); -> {}")
  end)

  it("keep the lines where they are", function()
    local text = "void f(void)\n{\n    g(a,\n      b);\n}\n"
    local list = mistakes.of(text)
    assert.equal(1, #list)
    assert.equal("f", list[1].scope)
    assert.equal("void f(void)\n{\n    {}\n\n}\n", mistakes.plant(text, list[1]))
  end)

  it("are in the functions of a header, and not in its names", function()
    local text = "#define MOST 3\nstatic const int some = 2;\nstatic inline int f(int a)\n{\n    return -a;\n}\n"
    assert.equal(1, #mistakes.of(text, true))
    assert.equal(7, #mistakes.of(text))
  end)
end)
