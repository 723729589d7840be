#pragma once

/* Sections [transport] and [network] of the configuration. The rows are in config.c; whoever
 * wants words for them runs quorate-transport --help-config. */

#include <stdbool.h>
#include <stdint.h>

#include "common/daemon/config.h"
#include "common/daemon/network.h"
#include "common/wire/endpoint.h"

struct transport_settings {
        struct config_list listen, announce, bootstrap, allow, perf_allow;
        uint64_t max_connections, max_per_ip, max_per_net, max_half_open, retry_above;
        uint64_t max_streams, max_peers;
        uint64_t stream_buffer, connection_buffer, total_buffer;
        uint64_t stream_window, connection_window, receive_buffer;
        nsec_t idle_timeout, keep_alive, handshake_timeout, dial_timeout;
        int congestion, loopback, certificate;
        char *agent, *resolver;
        bool mdns;
        struct network_settings network;
};

extern const struct config_key transport_config_keys[];

/* A row of `listen`: /ip4|ip6/ADDRESS/udp/PORT/quic-v1. */
bool transport_listens_on(const char *row, struct endpoint *ret);
