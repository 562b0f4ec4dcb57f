-- Rankings by name, for values that scap.top cannot compute. Names beyond a limit are only counted.
local ranking = {}
ranking.__index = ranking

local MOST = 100000

function ranking.new()
  return setmetatable({ values = {}, names = 0, left_out = 0 }, ranking)
end

function ranking:add(name, value)
  local before = self.values[name]
  if not before then
    if self.names == MOST then
      self.left_out = self.left_out + 1
      return
    end
    self.names = self.names + 1
  end
  self.values[name] = (before or 0) + value
end

-- Prints the largest values; `text` formats a value, and a name with several parts has tabs between
-- them.
function ranking:print(heading, most, text)
  local rows = {}
  for name, value in pairs(self.values) do rows[#rows + 1] = { name, value } end
  table.sort(rows, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[1] < b[1]
  end)
  local layout = "%-20s%s"
  local function line(value, name)
    local cells = {}
    for cell in (name .. "\t"):gmatch("([^\t]*)\t") do cells[#cells + 1] = ("%-20s"):format(scap.clean(cell)) end
    print((layout:format(value, table.concat(cells)):gsub(" +$", "")))
  end
  line(heading[1], heading[2])
  print(("-"):rep(80))
  for index = 1, math.min(most, #rows) do line(text(rows[index][2]), rows[index][1]) end
  if self.left_out > 0 then print(self.left_out .. " events have no row: there are too many names") end
end

return ranking
