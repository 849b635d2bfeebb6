package wire

import (
	"testing"
	"time"
)

func TestWishes(t *testing.T) {
	for target, want := range map[string]Ask{
		"/60":                            {Size: 60},
		"/api/v1/60":                     {Size: 60},
		"/60?":                           {Size: 60},
		"/60?delay=5ms&chunked=1":        {Size: 60, Delay: 5 * time.Millisecond, Chunked: true},
		"/0?status=503&close=1&slow=100": {Status: 503, Close: true, Slow: 100},
		"/1?drop=1&hang=true&chunked=0":  {Size: 1, Drop: true, Hang: true},
	} {
		if got, ok := Parse(Get(Host, target)); !ok || got != want {
			t.Errorf("%s: %+v, %v", target, got, ok)
		}
	}
	for _, bad := range []string{
		"/", "/60/", "/60?delay", "/60?delay=5", "/60?delay=-1s", "/60?delay=2h", "/60?status=99", "/60?status=600",
		"/60?dealy=5ms", "/60?close=2", "/60?%zz", "/60?slow=fast",
	} {
		if got, ok := Parse(Get(Host, bad)); ok {
			t.Errorf("%s is accepted: %+v", bad, got)
		}
	}
}

func TestUpgradeRoundTrip(t *testing.T) {
	ask, ok := Parse(UpgradeTo("example.com", "/ws"))
	if !ok || ask != (Ask{Key: key}) {
		t.Fatalf("%+v, %v", ask, ok)
	}
	// The example of RFC 6455 section 1.3.
	if got, _ := Field(Upgraded(ask.Key), "Sec-WebSocket-Accept"); string(got) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || string(got) != Accepted() {
		t.Errorf("the key is answered with %q", got)
	}
	for _, bad := range []string{
		"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
		"POST /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
	} {
		if _, ok := Parse([]byte(bad)); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
}
