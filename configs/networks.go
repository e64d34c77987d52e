package configs

import "net/netip"

// Networks gives the addresses that a list of networks stands for, such as TrustedProxies. It was checked when it was
// read.
func Networks(texts []string) []netip.Prefix {
	list, _ := parseNetworks(texts)
	return list
}

func parseNetworks(texts []string) (list []netip.Prefix, ok bool) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil || address.Zone() != "" {
				return nil, false
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		list = append(list, prefix.Masked())
	}
	return list, true
}

// checkNetworks says which networks are none. Where they are written with commas that was seen when they were read.
func (c *Config) checkNetworks(report func(key, format string, arguments ...any)) {
	check := func(key string, texts []string) {
		for _, text := range texts {
			if _, ok := parseNetworks([]string{text}); !ok {
				report(key, "got %q, want %s", text, networks().want)
			}
		}
	}
	check("proxy_protocol", c.ProxyProtocol)
	check("trusted_proxies", c.TrustedProxies)
}
