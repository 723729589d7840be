#pragma once

/* The last system calls keyring gives up, when it is serving. Shell code. */

/* An allow-list of what serving takes; all other system calls answer EPERM: no file, no
 * socket, no connection, no process, no executable memory. For good. Needs
 * no_new_privs. Returns 0 or a fault. */
int confine_serving(void);
