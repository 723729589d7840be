#include "services/transport/config.h"

#include "common/daemon/config_rows.h"
#include "common/wire/multiaddr.h"
#include "services/transport/quic.h"

#define INT(...)      CONFIG_INT(transport_settings, __VA_ARGS__)
#define SIZE(...)     CONFIG_SIZE(transport_settings, __VA_ARGS__)
#define DURATION(...) CONFIG_DURATION(transport_settings, __VA_ARGS__)
#define BOOL(...)     CONFIG_BOOL(transport_settings, __VA_ARGS__)
#define STRING(...)   CONFIG_STRING(transport_settings, __VA_ARGS__)
#define ENUM(...)     CONFIG_ENUM(transport_settings, __VA_ARGS__)
#define LIST_OF(...)  CONFIG_LIST_OF(transport_settings, __VA_ARGS__)
#define MS            NSEC_PER_MSEC
#define SEC           NSEC_PER_SEC

/* The order is that of enum quic_congestion, loopback_policy and tls_key_type. */
static const char *const congestions[] = { "cubic", "bbr", NULL };
static const char *const loopbacks[] = { "auto", "always", "never", NULL };
static const char *const certificates[] = { "ed25519", "p256", NULL };

/* Unspecified addresses and port 0 are no addresses to dial, but fine to listen on. */
bool transport_listens_on(const char *row, struct endpoint *ret) {
        struct multiaddr_part ip, udp, quic, end;
        struct multiaddr a;
        uint16_t port;

        if (multiaddr_from_text(BYTES_STR(row), &a) || !multiaddr_part(&a, 0, &ip) ||
            !multiaddr_part(&a, 1, &udp) || !multiaddr_part(&a, 2, &quic) ||
            multiaddr_part(&a, 3, &end) || udp.code != MULTIADDR_UDP ||
            quic.code != MULTIADDR_QUIC_V1)
                return false;
        port = (uint16_t) (udp.value.data[0] << 8 | udp.value.data[1]);
        if (ip.code == MULTIADDR_IP4)
                *ret = endpoint_ip4(ip.value.data, port);
        else if (ip.code == MULTIADDR_IP6)
                *ret = endpoint_ip6(ip.value.data, 0, port);
        else
                return false;
        return true;
}

static bool is_to_listen(const char *row, char why[CONFIG_WHY_SIZE]) {
        struct endpoint e;

        if (transport_listens_on(row, &e))
                return true;
        (void) snprintf(why, CONFIG_WHY_SIZE,
                        "is not of the form /ip4/0.0.0.0/udp/4001/quic-v1; write it so");
        return false;
}

const struct config_key transport_config_keys[] = {
        LIST_OF(listen, "listen", is_to_listen,
                "addresses to listen on, one for each of IPv4 and IPv6: "
                "/ip4/0.0.0.0/udp/4001/quic-v1; "
                "port 0 takes a free one; none: both families, port 4001"),
        LIST_OF(announce, "announce", config_is_place,
                "addresses to tell others instead of those of the interfaces"),
        LIST_OF(bootstrap, "bootstrap", config_is_place,
                "peers to stay connected to: peerid@host:port, a multiaddr, or host:port, which "
                "stands for whoever is there the first time"),
        LIST_OF(allow, "allow", config_is_peer,
                "peer ids that may connect, in either direction, of those that [network] allows; "
                "none: "
                "all of them. Others are refused inside the handshake"),
        INT(max_connections, "max-connections", "256", 4, 100000, "in total, both directions"),
        INT(max_per_ip, "max-connections-per-ip", "32", 1, 100000, "inbound, from one address"),
        INT(max_per_net, "max-connections-per-net", "64", 1, 100000,
            "inbound, from one IPv4 /24 or IPv6 /48"),
        INT(max_half_open, "max-handshakes", "128", 1, 100000, "inbound ones at a time"),
        INT(retry_above, "retry-above", "32", 0, 100000,
            "inbound handshakes at a time from which addresses have to prove themselves"),
        INT(max_streams, "max-streams", "256", 1, 4096, "that one peer may have open at a time"),
        INT(max_peers, "max-peers", "1024", 8, 100000, "to remember"),
        SIZE(stream_buffer, "stream-buffer", "1M", QUIC_SEND_BYTES_MIN, 64 << 20,
             "waiting to be sent or acknowledged, on one stream"),
        SIZE(connection_buffer, "connection-buffer", "8M", QUIC_SEND_BYTES_MIN, 256 << 20,
             "the same, to one peer"),
        SIZE(total_buffer, "total-buffer", "32M", 1 << 20, 4ULL << 30, "the same, to all"),
        SIZE(stream_window, "stream-window", "4M", 64 << 10, 64 << 20,
             "that a peer may send on one stream before its receiver takes any of it"),
        SIZE(connection_window, "connection-window", "32M", 64 << 10, 256 << 20,
             "the same, on one connection"),
        SIZE(receive_buffer, "receive-buffer", "64M", 1 << 20, 4ULL << 30,
             "received and not yet taken by services, in all; streams beyond are reset"),
        DURATION(idle_timeout, "idle-timeout", "30s", 1 * SEC, 600 * SEC,
                 "close a connection on which nothing happens for this long"),
        DURATION(keep_alive, "keep-alive", "10s", 100 * MS, 300 * SEC,
                 "sign of life on connections that are needed"),
        DURATION(handshake_timeout, "handshake-timeout", "5s", 100 * MS, 60 * SEC,
                 "for inbound connections"),
        DURATION(dial_timeout, "dial-timeout", "2s", 100 * MS, 60 * SEC,
                 "for one address of a peer"),
        ENUM(congestion, "congestion", "cubic", congestions,
             "bbr keeps its speed where packets are lost by chance"),
        ENUM(loopback, "dial-loopback", "auto", loopbacks,
             "dial loopback addresses that peers announce; auto: if this node has no others"),
        ENUM(certificate, "certificate", "ed25519", certificates,
             "key of the TLS certificate; p256 for peers without Ed25519"),
        LIST_OF(perf_allow, "perf-allow", config_is_peer_or_all,
                "peer ids that may measure throughput here, or \"all\"; they can make this node "
                "send "
                "at full speed"),
        STRING(resolver, "resolver", "",
               "DNS server for names of peers, such as 127.0.0.1:53; empty: as the machine does "
               "it"),
        STRING(agent, "agent", "", "what to call ourselves; empty: quorate and its version"),
        BOOL(mdns, "mdns", "yes",
             "let services ask the local network for peers, by multicast on UDP port 5353"),
        NETWORK_ROWS(transport_settings, network),
        {},
};
