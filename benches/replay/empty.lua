description = "Does nothing with each event: what is measured is the call."
short_description = "Nothing"
category = "Misc"
args = {}

function on_event()
  return false
end
