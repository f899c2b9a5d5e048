package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// follow applies changes until the other side hangs up. A change is a frame (its length in four bytes) of further
// frames, each a DiscoveryResponse: resources of one type for the classes that control_plane.identifier lists.
func follow(conn net.Conn, s *state) error {
	for {
		change, err := readFrame(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := apply(change, s); err != nil {
			return err
		}
	}
}

func apply(change []byte, s *state) error {
	stale := map[string]bool{}
	for len(change) > 0 {
		length := binary.BigEndian.Uint32(change)
		var content discovery.DiscoveryResponse
		if err := proto.Unmarshal(change[4:4+length], &content); err != nil {
			return err
		}
		change = change[4+length:]
		messages, err := unpack(&content)
		if err != nil {
			return err
		}
		for _, class := range strings.Split(content.ControlPlane.GetIdentifier(), ",") {
			s.take(class, content.TypeUrl, messages)
			stale[class] = stale[class] || !s.inLinear(content.TypeUrl)
		}
		if err := s.tellLinear(content.TypeUrl, messages); err != nil {
			return err
		}
	}
	for class, isStale := range stale {
		if !isStale {
			continue
		}
		if err := s.publish(class); err != nil {
			return err
		}
	}
	return nil
}

func readFrame(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(conn, body)
	return body, err
}
