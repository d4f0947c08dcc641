-- What `make mutants` finds in a project of two small rules, one with a good spec and one with a bad one.
-- not under asan, not under tsan, not under coverage: it builds for itself.
local clock = require "spec.support.clock"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local MAKEFILE = [[
BUILD ?= build
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@gcc -O2 -Wall -Wextra -Werror -Iengine -MMD -c -o $@ $<
$(BUILD)/libtiny.a: $(BUILD)/engine/rules/good.o $(BUILD)/engine/rules/bad.o
	@rm -f $@ && ar rcs $@ $^
$(BUILD)/spec/rules/%_spec: $(BUILD)/spec/rules/%_spec.o $(BUILD)/libtiny.a
	@gcc -o $@ $^
.SECONDARY:
]]

-- How many of 1, 2, 3 and so on are at most `most` together.
local RULE = [[
#include "rules/NAME.h"

#include <stdlib.h>

void NAME_count(int most, int *out)
{
    int count = 0, sum = 1;
    while (sum <= most) {
        count++;
        sum += count + 1;
    }
    *out = NAME_whole(count);
}

int NAME_price(int count, int each)
{
    return count * each + 30;
}

int NAME_counted(int most)
{
    int *volatile room = malloc(sizeof *room);
    NAME_count(most, room);
    int count = *room;
    free(room);
    return count;
}
]]
local HEADER = [[
static inline int NAME_whole(int count)
{
    return count < 0 ? 0 : count;
}
void NAME_count(int most, int *out);
int NAME_price(int count, int each);
int NAME_counted(int most);
]]
local SPEC = [[
#include "rules/NAME.h"

static int wrong;

static void gives(int most, int count)
{
    int out;
    NAME_count(most, &out);
    wrong += out != count;
}

int main(void)
{
    wrong += NAME_price(3, 4) != 42 || NAME_whole(-1) != 0;
    ROWS
    return wrong;
}
]]
local GOOD = "gives(-1, 0); gives(0, 0); gives(1, 1); gives(2, 1); gives(4, 2); wrong += good_counted(4) != 2 || good_counted(1) != 1;"
local BAD = "gives(0, 0);"
local LIVES = [[
engine/rules/good.c: good_count
- sum += count + 1;
+ sum += count + 2;
]]

describe("make mutants", function()
  local folder, build = tmp.folder(), nil

  local function write(name, rows)
    tmp.write(folder, ("engine/rules/%s.c"):format(name), (RULE:gsub("NAME", name)))
    tmp.write(folder, ("engine/rules/%s.h"):format(name), (HEADER:gsub("NAME", name)))
    tmp.write(folder, ("spec/rules/%s_spec.c"):format(name), (SPEC:gsub("NAME", name):gsub("ROWS", rows)))
  end

  local function reasons(text) tmp.write(folder, "spec/mutants/reasons.txt", text) end

  local function command(...)
    return { process.program "nebula-lua", "spec/mutants/run.lua", folder, build, within = 300000, ... }
  end

  local function run(...) return process.run(command(...)) end

  -- All that the project consists of.
  local function sum()
    return process.run({ "sh", "-c", 'cd "$0" && find Makefile engine spec -type f | sort | xargs md5sum', folder }).output
  end

  -- The row of a file in the table.
  local function row(ran, file)
    return ran.output:match("%f[^\n%z]" .. file:gsub("%p", "%%%0") .. " +([^\n]*)"):gsub("%s+", " ")
  end

  -- How many had no verdict yet when it was begun.
  local function begun(ran, file)
    return tonumber(ran.errors:match("mutants: " .. file:gsub("%p", "%%%0") .. ": (%d+) mutants") or 0)
  end

  local function is_said(text, ran)
    assert.is_truthy(ran.output:find(text, 1, true), ran.output .. ran.errors)
  end

  setup(function()
    build = folder .. "/build"
    tmp.write(folder, "Makefile", MAKEFILE)
    tmp.write(folder, "build/flags", "")
    tmp.write(folder, "build/engine/none", "")
    tmp.write(folder, "build/spec/none", "")
    reasons ""
    write("good", GOOD)
    write("bad", BAD)
  end)

  it("counts what becomes of each, shows who lives, and touches nothing", function()
    local before = sum()
    local ran = run()
    assert.equal(1, ran.code)
    assert.equal(before, sum())
    assert.equal("22 2 0 18 1 0 0 1 95.0 %", row(ran, "engine/rules/good.c"))
    assert.equal("7 0 2 5 0 0 0 0 100.0 %", row(ran, "engine/rules/good.h"))
    assert.equal("22 2 0 9 0 0 0 11 45.0 %", row(ran, "engine/rules/bad.c"))
    is_said("engine/rules/good.c:10: good_count\n- sum += count + 1;\n+ sum += count + 2;\n", ran)
    is_said("engine/rules/bad.c:8: bad_count\n- while (sum <= most) {\n+ while (sum < most) {\n", ran)
    is_said("engine/rules/bad.c:9: bad_count\n- count++;\n+ {}\n", ran)
  end)

  it("remembers it, and looks at one file alone", function()
    local ran = run "engine/rules/good.h"
    assert.same({ code = 0, errors = "" }, { code = ran.code, errors = ran.errors })
    assert.equal("7 0 2 5 0 0 0 0 100.0 %", row(ran, "engine/rules/good.h"))
  end)

  it("wants a reason for who lives, and none for who does not", function()
    for sign, counts in pairs { ["!"] = "22 2 0 18 1 0 1 0 95.0 %", ["="] = "22 2 0 18 1 1 0 0 100.0 %" } do
      reasons(LIVES .. sign .. " So it is.\n")
      local ran = run("engine/rules/good.c", "engine/rules/good.h")
      assert.same({ code = 0, errors = "" }, { code = ran.code, errors = ran.errors }, ran.output)
      assert.equal(counts, row(ran, "engine/rules/good.c"))
    end
    reasons(LIVES .. "+ {}\n= So it is not.\n")
    local ran = run "engine/rules/good.c"
    assert.equal(1, ran.code)
    is_said("reasons.txt:4: no such mutant lives: engine/rules/good.c\n+ {}", ran)
    reasons ""
  end)

  it("wants 95 in 100 killed of those that could be", function()
    local ran = run("engine/rules/bad.c")
    local survivors = ran.output:match "^(.-)file +planted"
    reasons((survivors:gsub("\n(%+[^\n]*)", "\n%1\n! As it is shown, it can be copied.")))
    ran = run("engine/rules/bad.c")
    assert.equal("22 2 0 9 0 0 11 0 45.0 %", row(ran, "engine/rules/bad.c"))
    assert.equal(1, ran.code)
    reasons ""
  end)

  it("goes on where it was interrupted, and leaves nothing running", function()
    write("bad", BAD .. " gives(1, 1);")
    local path = build .. "/mutants/engine+rules+bad.c.verdicts"
    os.remove(path)
    local child = process.start(command("engine/rules/bad.c"))
    clock.eventually("some have a verdict", function()
      local _, lines = (io.open(path) and tmp.read(path) or ""):gsub("\n", "")
      return lines > 3
    end)
    child:signal "TERM"
    assert.same({ signal = 15 }, child:wait())
    child:close()
    clock.eventually("nothing runs in a lane", function()
      return process.run({ "sh", "-c", 'readlink /proc/[0-9]*/cwd | grep -c "^$0"', build }).output == "0\n"
    end)
    local ran = run("engine/rules/bad.c")
    local rest = begun(ran, "engine/rules/bad.c")
    assert.is_true(rest > 0 and rest < 20, ran.errors)
    assert.equal(22, tonumber((row(ran, "engine/rules/bad.c"):match "^%d+")))
  end)

  it("finds nothing where nothing can be planted", function()
    tmp.write(folder, "engine/rules/none.h", "struct none;\n")
    assert.equal(0, run("engine/rules/none.h").code)
  end)

  it("says what it cannot do", function()
    local ran = run "engine/rules/ugly.c"
    assert.equal(1, ran.code)
    assert.matches("engine/rules/ugly.c is none of those that are mutated", ran.errors)
    write("bad", "gives(0, 1);")
    ran = run "engine/rules/bad.c"
    assert.equal(1, ran.code)
    assert.matches("build/spec/rules/bad_spec fails without a mistake", ran.errors)
    for text, why in pairs {
      ["engine/rules/bad.c: f\n- a\n+ b\n"] = ":3: a change without a reason stands above",
      ["- a\n"] = ":1: of which file",
      ["engine/rules/bad.c: f\n+ b\n"] = ":2: a %+ without a %-",
      ["engine/rules/bad.c: f\n- a\n+ b\n! Why.\n- a\n+  b\n= Why.\n"] = ":6: the same stands above",
      ["engine/rules/bad.c: f\n= Why.\n"] = ":2: a reason for what",
      ["what is this"] = ":1: neither",
    } do
      reasons(text)
      assert.matches("reasons.txt" .. why, run("engine/rules/bad.c").errors)
    end
  end)
end)
