package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
)

// byName holds the resources of one type.
type byName map[string]types.Resource

// state is what each class of proxies gets: by class, by type URL, by name.
type state struct {
	classes   map[string]map[string]byName
	snapshots cache.SnapshotCache
	endpoints *cache.LinearCache
	version   int
}

// classOf is the class of a node: "sidecar.NAMESPACE" or "router.NAMESPACE", from Istio's
// "type~ip~name.namespace~domain".
type classOf struct{}

func (classOf) ID(node *core.Node) string {
	parts := strings.Split(node.GetId(), "~")
	if len(parts) != 4 {
		return ""
	}
	_, namespace, _ := strings.Cut(parts[2], ".")
	return parts[0] + "." + namespace
}

func load(folder string, linear bool) (*state, error) {
	s := &state{
		classes:   map[string]map[string]byName{},
		snapshots: cache.NewSnapshotCache(true, classOf{}, nil),
	}
	if linear {
		s.endpoints = cache.NewLinearCache(resource.EndpointType)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.pb"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var content discovery.DiscoveryResponse
		if err := proto.Unmarshal(raw, &content); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		messages, err := unpack(&content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		s.take(filepath.Base(filepath.Dir(file)), content.TypeUrl, messages)
		if err := s.tellLinear(content.TypeUrl, messages); err != nil {
			return nil, err
		}
	}
	for class := range s.classes {
		if err := s.publish(class); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// cache answers the streams.
func (s *state) cache() cache.Cache {
	if s.endpoints == nil {
		return s.snapshots
	}
	return &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.GetTypeUrl() },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.GetTypeUrl() },
		Caches: map[string]cache.Cache{
			resource.ClusterType:  s.snapshots,
			resource.ListenerType: s.snapshots,
			resource.RouteType:    s.snapshots,
			resource.EndpointType: s.endpoints,
			resource.SecretType:   s.snapshots,
		},
	}
}

// unpack decodes the resources of a response.
func unpack(content *discovery.DiscoveryResponse) (byName, error) {
	messages := byName{}
	for _, packed := range content.Resources {
		message, err := packed.UnmarshalNew()
		if err != nil {
			return nil, err
		}
		messages[cache.GetResourceName(message)] = message
	}
	return messages, nil
}

// take puts resources into a class, without telling anybody.
func (s *state) take(class, typeURL string, messages byName) {
	if s.classes[class] == nil {
		s.classes[class] = map[string]byName{}
	}
	if s.classes[class][typeURL] == nil {
		s.classes[class][typeURL] = byName{}
	}
	for name, message := range messages {
		s.classes[class][typeURL][name] = message
	}
}

// inLinear tells whether a type is served from the linear cache.
func (s *state) inLinear(typeURL string) bool {
	return s.endpoints != nil && typeURL == resource.EndpointType
}

// tellLinear puts endpoints into the linear cache, which tells those who watch them.
func (s *state) tellLinear(typeURL string, messages byName) error {
	if !s.inLinear(typeURL) {
		return nil
	}
	return s.endpoints.UpdateResources(messages, nil)
}

// publish gives a class a new snapshot.
func (s *state) publish(class string) error {
	s.version++
	resources := map[resource.Type][]types.Resource{}
	for typeURL, named := range s.classes[class] {
		if s.inLinear(typeURL) {
			continue
		}
		list := make([]types.Resource, 0, len(named))
		for _, message := range named {
			list = append(list, message)
		}
		resources[typeURL] = list
	}
	snapshot, err := cache.NewSnapshot(strconv.Itoa(s.version), resources)
	if err != nil {
		return err
	}
	return s.snapshots.SetSnapshot(context.Background(), class, snapshot)
}
