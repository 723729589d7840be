#pragma once

/* What rows of a list may be (`suits` of config.h): said of a row before a service starts, with
 * file and line. Pure. */

#include <stdbool.h>

#include "common/daemon/config.h"

bool config_is_peer(const char *row, char why[CONFIG_WHY_SIZE]);
bool config_is_peer_or_all(const char *row, char why[CONFIG_WHY_SIZE]); /* or "all" */
/* Where somebody can be dialled, with an id or without one: multiaddr_from_config(). */
bool config_is_place(const char *row, char why[CONFIG_WHY_SIZE]);
/* The same with whoever is there: a multiaddr with /p2p/, peerid@host:port, or a bare peer id. */
bool config_is_peer_at(const char *row, char why[CONFIG_WHY_SIZE]);
