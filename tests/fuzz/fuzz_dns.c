/* Answers of a DNS server: whatever comes, what is found is whole and within bounds. */

#include "common/base/error.h"
#include "services/transport/shell/dns.h"

#define FOUND_MAX 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void addresses(struct bytes answer, enum dns_type type, enum endpoint_family family) {
        struct endpoint found[FOUND_MAX];
        size_t n = dns_addresses(answer, type, 4001, found, FOUND_MAX);

        check(n <= FOUND_MAX);
        for (size_t i = 0; i < n; i++)
                check(found[i].port == 4001 &&
                      (found[i].family == family || found[i].family == ENDPOINT_IP4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes answer = BYTES(data, size < DNS_ANSWER_MAX ? size : DNS_ANSWER_MAX);
        struct multiaddr found[FOUND_MAX], again;
        size_t n;

        addresses(answer, DNS_A, ENDPOINT_IP4);
        addresses(answer, DNS_AAAA, ENDPOINT_IP6);
        n = dns_multiaddrs(answer, found, FOUND_MAX);
        check(n <= FOUND_MAX);
        for (size_t i = 0; i < n; i++)
                check(multiaddr_parse(multiaddr_bytes(&found[i]), &again) == MULTIADDR_OK);
        return 0;
}
