package kind

// fewestMemory is below what any program needs to start by way of the exec step.
const fewestMemory Size = 16 << 20

func (v *validator) limits(k *Kind) {
	memory, high := k.Limits.Memory, k.Limits.MemoryHigh
	if least := max(fewestMemory, k.Cost.Memory); memory != 0 && memory < least {
		v.at("limits.memory", "got %s, want at least %s, which a worker is taken to need (cost.memory), or 16MiB", memory, least)
	}
	switch {
	case high != 0 && high < fewestMemory:
		v.at("limits.memory_high", "got %s, want at least %s", high, fewestMemory)
	case high != 0 && memory != 0 && high >= memory:
		v.at("limits.memory_high", "got %s, want less than limits.memory (%s)", high, memory)
	}
}
