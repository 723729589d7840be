#pragma once

/* Asking a DNS server, and what its answers hold. Blocks: for the thread of names.h. Messages are
 * read with the ns_ functions of glibc's resolver, which keep to the message's bounds; what is in
 * the records is judged here. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/wire/multiaddr.h"

#define DNS_ANSWER_MAX 16384
#define DNS_TEXT_MAX   1024 /* of one TXT record, its strings joined; longer ones are skipped */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_TXT = 16 }; /* RFC 1035 3.2.2, RFC 3596 */

struct dns;

/* `server` NULL: those of the machine. */
struct dns *dns_new(const struct endpoint *server);
struct dns *dns_free(struct dns *d);

/* The answer, or -1: none in `patience`, or no such name. */
ptrdiff_t dns_ask(struct dns *d, const char *name, enum dns_type type, nsec_t patience,
                  uint8_t ret[DNS_ANSWER_MAX]);

/* The A or AAAA records, as endpoints with this port; how many, at most `max`. */
size_t dns_addresses(struct bytes answer, enum dns_type type, uint16_t port, struct endpoint *ret,
                     size_t max);
/* The addresses that the TXT records name with "dnsaddr=" (libp2p/specs, addressing). */
size_t dns_multiaddrs(struct bytes answer, struct multiaddr *ret, size_t max);
