// The authenticator that EKS puts before its API servers, as far as a token is concerned: aws-iam-authenticator's own
// verifier behind the TokenReview webhook. STS is asked where the configuration says.
//
// Usage: verifier CONFIGURATION READY
//
// CONFIGURATION is a JSON file: {"region", "sts", "certificate", "key", "group", "clusters": [{"name", "principal"}]}.
// A review is answered at /<the cluster's name in EKS>. When it serves, READY is written: {"port"}.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

type configuration struct {
	Region, STS, Certificate, Key, Group string
	Clusters                             []struct{ Name, Principal string }
}

// review is authentication.k8s.io's TokenReview, as much of it as an API server sends and reads.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       *spec  `json:"spec,omitempty"`
	Status     status `json:"status"`
}

type spec struct {
	Token string `json:"token"`
}

type status struct {
	Authenticated bool   `json:"authenticated"`
	User          *user  `json:"user,omitempty"`
	Error         string `json:"error,omitempty"`
}

type user struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// toSTS sends what is meant for AWS's STS to its stand-in; the header `host`, which is signed, stays AWS's.
type toSTS struct {
	at      *url.URL
	through http.RoundTripper
}

func (sts toSTS) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Host = request.URL.Host
	request.URL.Scheme, request.URL.Host = sts.at.Scheme, sts.at.Host
	return sts.through.RoundTrip(request)
}

func answer(verifier token.Verifier, principal, group, presented string) status {
	identity, err := verifier.Verify(presented)
	if err != nil {
		return status{Error: err.Error()}
	}
	if identity.CanonicalARN != principal {
		return status{Error: fmt.Sprintf("%s has no access entry", identity.CanonicalARN)}
	}
	return status{Authenticated: true, User: &user{Username: identity.CanonicalARN, Groups: []string{group}}}
}

func serve(configurationFile, readyFile string) error {
	text, err := os.ReadFile(configurationFile)
	if err != nil {
		return err
	}
	var config configuration
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("%s: %w", configurationFile, err)
	}
	sts, err := url.Parse(config.STS)
	if err != nil {
		return err
	}
	// The verifier's own client has no transport, so it uses this one.
	http.DefaultTransport = toSTS{at: sts, through: http.DefaultTransport}
	metrics.InitMetrics(prometheus.NewRegistry())
	mux := http.NewServeMux()
	for _, cluster := range config.Clusters {
		verifier := token.NewVerifier(cluster.Name, "aws", config.Region)
		mux.HandleFunc("POST /"+cluster.Name, func(writer http.ResponseWriter, request *http.Request) {
			var asked review
			if err := json.NewDecoder(request.Body).Decode(&asked); err != nil || asked.Spec == nil {
				http.Error(writer, "this is no TokenReview", http.StatusBadRequest)
				return
			}
			said := answer(verifier, cluster.Principal, config.Group, asked.Spec.Token)
			if said.Authenticated {
				log.Printf("%s: %s", cluster.Name, said.User.Username)
			} else {
				log.Printf("%s: refused: %s", cluster.Name, said.Error)
			}
			writer.Header().Set("Content-Type", "application/json")
			asked.Spec, asked.Status = nil, said
			if err := json.NewEncoder(writer).Encode(asked); err != nil {
				log.Printf("%s: %s", cluster.Name, err)
			}
		})
	}
	certificate, err := tls.LoadX509KeyPair(config.Certificate, config.Key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready := fmt.Sprintf(`{"port": %d}`, listener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(readyFile+".new", []byte(ready), 0o644); err != nil {
		return err
	}
	if err := os.Rename(readyFile+".new", readyFile); err != nil {
		return err
	}
	server := http.Server{Handler: mux}
	return server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}}))
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: verifier CONFIGURATION READY")
	}
	log.Fatal(serve(os.Args[1], os.Args[2]))
}
