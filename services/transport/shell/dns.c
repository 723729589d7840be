#include "services/transport/shell/dns.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>

#include "common/base/memory.h"

struct dns {
        bool has_server;
        struct sockaddr_in server;
};

struct dns *dns_new(const struct endpoint *server) {
        struct dns *d = xnew(struct dns);

        if (!server)
                return d;
        d->has_server = true;
        d->server.sin_family = AF_INET;
        d->server.sin_port = htons(server->port);
        memcpy(&d->server.sin_addr, server->addr, 4);
        return d;
}

struct dns *dns_free(struct dns *d) {
        free(d);
        return NULL;
}

static void configure(const struct dns *d, res_state state, nsec_t patience) {
        int seconds = (int) (patience / NSEC_PER_SEC);

        state->options |= RES_USE_EDNS0;
        if (!d->has_server) {
                state->retrans = seconds < state->retrans ? seconds : state->retrans;
                state->retry = 1;
                return;
        }
        state->nscount = 1;
        state->nsaddr_list[0] = d->server;
        state->retrans = seconds > 1 ? seconds / 2 : 1;
        state->retry = 2;
}

ptrdiff_t dns_ask(struct dns *d, const char *name, enum dns_type type, nsec_t patience,
                  uint8_t ret[DNS_ANSWER_MAX]) {
        struct __res_state state = {};
        int n;

        if (patience < NSEC_PER_SEC || res_ninit(&state) != 0)
                return -1;
        configure(d, &state, patience);
        n = res_nquery(&state, name, ns_c_in, (int) type, ret, DNS_ANSWER_MAX);
        res_nclose(&state);
        return n <= DNS_ANSWER_MAX ? n : -1;
}

/* ---- answers ---- */

/* Walks the records of one type; *at starts at 0. */
static bool next_record(ns_msg *message, enum dns_type type, int *at, struct bytes *ret) {
        ns_rr record;

        while (*at < ns_msg_count(*message, ns_s_an) &&
               ns_parserr(message, ns_s_an, (*at)++, &record) == 0) {
                if (ns_rr_type(record) != (ns_type) type || ns_rr_class(record) != ns_c_in)
                        continue;
                *ret = BYTES(ns_rr_rdata(record), ns_rr_rdlen(record));
                return true;
        }
        return false;
}

size_t dns_addresses(struct bytes answer, enum dns_type type, uint16_t port, struct endpoint *ret,
                     size_t max) {
        struct bytes rdata;
        ns_msg message;
        size_t n = 0;
        int at = 0;

        if (ns_initparse(answer.data, (int) answer.len, &message) != 0)
                return 0;
        while (n < max && next_record(&message, type, &at, &rdata)) {
                if (type == DNS_A && rdata.len == 4)
                        ret[n++] = endpoint_ip4(rdata.data, port);
                else if (type == DNS_AAAA && rdata.len == 16)
                        ret[n++] = endpoint_ip6(rdata.data, 0, port);
        }
        return n;
}

/* A record is a list of strings, each behind its length (RFC 1035 3.3.14); false when
 * malformed or too long. */
static bool join_strings(struct bytes rdata, struct buffer *ret) {
        struct reader r = reader_of(rdata);

        buffer_clear(ret);
        while (reader_left(&r) > 0)
                buffer_put_bytes(ret, reader_take(&r, reader_u8(&r)));
        return !r.failed && !ret->failed;
}

static bool named_address(struct bytes text, struct multiaddr *ret) {
        static const struct bytes prefix = BYTES_LIT("dnsaddr=");

        if (text.len < prefix.len || memcmp(text.data, prefix.data, prefix.len) != 0)
                return false;
        return multiaddr_from_text(BYTES(text.data + prefix.len, text.len - prefix.len), ret) ==
               MULTIADDR_OK;
}

size_t dns_multiaddrs(struct bytes answer, struct multiaddr *ret, size_t max) {
        CLEANUP(buffer_donep) struct buffer text = {};
        struct bytes rdata;
        ns_msg message;
        size_t n = 0;
        int at = 0;

        if (ns_initparse(answer.data, (int) answer.len, &message) != 0)
                return 0;
        buffer_init(&text, DNS_TEXT_MAX);
        while (n < max && next_record(&message, DNS_TXT, &at, &rdata))
                n += join_strings(rdata, &text) && named_address(buffer_bytes(&text), &ret[n]);
        return n;
}
