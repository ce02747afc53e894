// Go's ReverseProxy behind the same look-ups as the Node peers'.
// Usage: reverse-proxy PORT UPSTREAM SERVICE_KEY STORE TOKEN
package main

import (
	"crypto/sha256"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

type caller struct{ stores map[string]bool }

func main() {
	port, key, store, token := os.Args[1], os.Args[3], os.Args[4], os.Args[5]
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	callers := map[[32]byte]caller{sha256.Sum256([]byte(key)): {map[string]bool{store: true}}}
	tokens := map[string]string{store: token}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns, transport.MaxConnsPerHost = 256, 256, 256
	transport.DisableCompression, transport.ForceAttemptHTTP2 = true, false
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		// The load ends with calls in flight.
		ErrorLog: log.New(io.Discard, "", 0),
		Director: func(request *http.Request) {
			request.URL.Scheme, request.URL.Host, request.Host = upstream.Scheme, upstream.Host, upstream.Host
			request.Header.Del("Authorization")
			request.Header.Set("X-Auth-Token", tokens[strings.SplitN(request.URL.Path, "/", 4)[2]])
		},
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, known := callers[sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))]
		parts := strings.SplitN(r.URL.Path, "/", 4)
		if !known || len(parts) < 4 || !found.stores[parts[2]] || tokens[parts[2]] == "" {
			http.Error(w, `{"status":403}`, http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})))
}
