#pragma once

/* The network interfaces that can multicast, and which addresses are on their
 * links. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/wire/endpoint.h"

#define INTERFACES_MAX     32
#define INTERFACE_NETS_MAX 16

struct interface_net {
        struct endpoint at; /* our address there */
        unsigned bits;      /* of its prefix */
};

struct interface {
        unsigned index;
        char name[IF_NAMESIZE];
        bool has_ip4, has_ip6;
        size_t n_nets;
        struct interface_net nets[INTERFACE_NETS_MAX];
};

struct interfaces {
        size_t n;
        struct interface list[INTERFACES_MAX]; /* those that are up */
};

/* 0, or a fault with an empty list. Interfaces and nets beyond the limits are left out. */
int interfaces_find(struct interfaces *ret);
/* NULL: no such one. */
const struct interface *interfaces_of(const struct interfaces *all, unsigned index);
/* In a prefix of one of the interface's own addresses. */
bool interface_is_on_link(const struct interface *i, const struct endpoint *from);
