#pragma once

/* The folder of a node's sockets when nobody names one, and whether it can be believed:
 * who may write to it decides who answers a client there. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Root: /run/quorate; else $XDG_RUNTIME_DIR/quorate or /tmp/quorate-UID. False: no room. */
bool runtime_default(char *ret, size_t size);

/* 0: a folder that only this user and root can write to, or nothing yet. 1: somebody else
 * could have put sockets there; ret_owner is whose it is. -errno: it cannot be looked at. */
#define RUNTIME_FOREIGN 1
int runtime_check(const char *path, uid_t *ret_owner);
