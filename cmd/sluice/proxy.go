package main

import "sluice/configs"

type proxyCmd struct {
	From string   `required:"" help:"Where to listen, as :8080, 127.0.0.1:8080 or unix:/path." placeholder:"ADDR"`
	To   []string `required:"" help:"Where to connect: one or several, separated by commas; https:// before each for TLS." placeholder:"ADDR"`
	TCP  bool     `name:"tcp" help:"Pass TCP connections through, whatever they carry, instead of speaking HTTP."`
}

// Run proxies without a file.
func (v *proxyCmd) Run() error {
	protocol := "http"
	if v.TCP {
		protocol = "tcp"
	}
	cfg, err := configs.Quick(protocol, v.From, v.To)
	if err != nil {
		return err
	}
	return serve(cfg, "", nil)
}
