-- A table of recent keys: it keeps at least the newest `most` keys and at most twice as many, so
-- that its memory is limited whatever the capture contains.
local recent = {}
recent.__index = recent

function recent.new(most)
  return setmetatable({ most = most, count = 0, new = {}, old = {} }, recent)
end

function recent:set(key, value)
  if self.new[key] == nil then
    self.count = self.count + 1
    if self.count > self.most then
      self.old, self.new, self.count = self.new, {}, 1
    end
  end
  self.new[key] = value
end

-- A lookup makes a key recent.
function recent:get(key)
  local value = self.new[key]
  if value == nil then
    value = self.old[key]
    if value ~= nil then self:set(key, value) end
  end
  return value
end

-- Removes a key and returns its value.
function recent:take(key)
  local value = self.new[key]
  if value == nil then value = self.old[key] end
  if self.new[key] ~= nil then
    self.new[key] = nil
    self.count = self.count - 1
  end
  self.old[key] = nil
  return value
end

return recent
