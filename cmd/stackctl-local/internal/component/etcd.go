package component

import (
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcd is the store, a cluster of one. It speaks TLS only and accepts only
// clients that show a certificate of its own authority. Nothing is synced to
// disk: the data is thrown away when the plane ends, and syncing would make
// every write wait for the disk.
func etcd() int {
	flags := pflag.NewFlagSet("etcd", pflag.ContinueOnError)
	dir := flags.String("data-dir", "", "where the data lives")
	client := flags.String("listen-client", "", "host:port for clients")
	peer := flags.String("listen-peer", "", "host:port for the one peer, itself")
	cert := flags.String("cert", "", "certificate")
	key := flags.String("key", "", "key")
	ca := flags.String("ca", "", "authority of clients")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return fail("etcd", err)
	}

	config := embed.NewConfig()
	config.Name = "local"
	config.Dir = *dir
	config.LogLevel = "warn"
	config.LogOutputs = []string{"stderr"}
	config.UnsafeNoFsync = true
	config.WarningUnaryRequestDuration = time.Second // zero would warn of every request
	config.ListenClientUrls = []url.URL{{Scheme: "https", Host: *client}}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = []url.URL{{Scheme: "https", Host: *peer}}
	config.AdvertisePeerUrls = config.ListenPeerUrls
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.ClientTLSInfo.CertFile, config.ClientTLSInfo.KeyFile = *cert, *key
	config.ClientTLSInfo.TrustedCAFile, config.ClientTLSInfo.ClientCertAuth = *ca, true
	config.PeerTLSInfo = config.ClientTLSInfo
	// One member elects itself; waiting the usual second for others only
	// delays the start.
	config.TickMs, config.ElectionMs = 20, 200

	server, err := embed.StartEtcd(config)
	if err != nil {
		return fail("etcd", err)
	}
	defer server.Close()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return 0
	case err := <-server.Err():
		return fail("etcd", err)
	case <-time.After(time.Minute):
		return fail("etcd", os.ErrDeadlineExceeded)
	case <-server.Server.ReadyNotify():
	}
	select {
	case <-stop:
		return 0
	case err := <-server.Err():
		return fail("etcd", err)
	}
}
