package plane

import (
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// ports are the addresses one attempt uses. The log server is missing: it lives
// in the supervisor, which can listen first and ask for its port afterwards.
type ports struct {
	api, etcd, etcdPeer int
}

// pickPorts finds free ports. They are free now; somebody may take one before a
// component does, which Run answers by trying again with others.
func pickPorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.api, &p.etcd, &p.etcdPeer} {
		// All stay open until all are found, so that they differ.
		listener, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return ports{}, err
		}
		defer listener.Close()
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

func (p ports) server() string { return "https://" + address(p.api) }
