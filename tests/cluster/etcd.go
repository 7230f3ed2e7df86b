package main

import (
	"errors"
	"flag"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// etcd runs a single member on loopback until SIGTERM. Nothing is synced to the disk: a test's data may be lost
// with the machine, not with the process.
func etcd(arguments []string) error {
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dir := flags.String("dir", "", "where the data lives")
	client := flags.String("client", "", "the URL that clients use")
	peer := flags.String("peer", "", "the URL that peers use")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	clientURL, err := url.Parse(*client)
	if err != nil {
		return err
	}
	peerURL, err := url.Parse(*peer)
	if err != nil {
		return err
	}

	// A segment of the log is allocated whole: 4 MiB rather than 64.
	wal.SegmentSizeBytes = 4 << 20
	config := embed.NewConfig()
	config.Name = "test"
	config.Dir = *dir
	config.ListenClientUrls = []url.URL{*clientURL}
	config.AdvertiseClientUrls = []url.URL{*clientURL}
	config.ListenPeerUrls = []url.URL{*peerURL}
	config.AdvertisePeerUrls = []url.URL{*peerURL}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"

	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return errors.New("etcd was not ready within a minute")
	case <-stop:
		return nil
	}
	select {
	case <-stop:
		// Not Close, which waits for watches that an API server holds open.
		server.Server.HardStop()
		return nil
	case err := <-server.Err():
		return err
	}
}
