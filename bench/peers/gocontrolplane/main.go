// A control plane on go-control-plane for comparison: it serves finished resources from a folder and takes changes
// to them over a Unix socket. Nothing is translated here; that is an advantage over what it is compared with.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:18000", "where proxies connect to")
	folder := flag.String("resources", "", "folder of CLASS/TYPE.pb, each a DiscoveryResponse")
	control := flag.String("control", "", "Unix socket on which changes come")
	linear := flag.Bool("linear", false, "endpoints from a linear cache instead of from the snapshots")
	flag.Parse()

	state, err := load(*folder, *linear)
	if err != nil {
		log.Fatalf("cannot read the resources: %v", err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatalf("cannot listen: %v", err)
	}
	xds := grpc.NewServer(grpc.MaxConcurrentStreams(1 << 20))
	discovery.RegisterAggregatedDiscoveryServiceServer(
		xds, server.NewServer(context.Background(), state.cache(), nil))
	go func() { log.Fatal(xds.Serve(listener)) }()

	os.Remove(*control)
	changes, err := net.Listen("unix", *control)
	if err != nil {
		log.Fatalf("cannot take changes: %v", err)
	}
	for {
		conn, err := changes.Accept()
		if err != nil {
			log.Fatal(err)
		}
		if err := follow(conn, state); err != nil {
			log.Printf("changes ended: %v", err)
		}
		conn.Close()
	}
}
