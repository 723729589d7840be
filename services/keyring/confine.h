#pragma once

/* The last system calls keyring gives up, when it is serving. Shell code. */

/* No file, no new name for a socket, no connection from now on: EPERM. For good.
 * Needs no_new_privs. Returns 0 or a fault. */
int confine_files(void);
