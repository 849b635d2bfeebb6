package main

import (
	"errors"

	"sluice/configs"
)

type proxyCmd struct {
	From string   `required:"" help:"Where to listen, as :8080, 127.0.0.1:8080 or unix:/path." placeholder:"ADDR"`
	To   []string `required:"" help:"Where to connect: one or several, separated by commas." placeholder:"ADDR"`
	TCP  bool     `name:"tcp" help:"Pass TCP connections through. This version proxies nothing else."`
}

// Run proxies without a file.
func (v *proxyCmd) Run() error {
	if !v.TCP {
		return errors.New("sluice: error: this version proxies TCP only: add --tcp")
	}
	cfg, err := configs.Quick("tcp", v.From, v.To)
	if err != nil {
		return err
	}
	return serve(cfg, nil)
}
