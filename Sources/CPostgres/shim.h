#ifndef LATCHKEY_CPOSTGRES_SHIM_H
#define LATCHKEY_CPOSTGRES_SHIM_H

#include <libpq-fe.h>

// Of libssl, which libpq is linked with; its headers are not needed for one function.
struct ssl_st;
int SSL_pending(const struct ssl_st *);

/// How many bytes of a TLS record wait in the library, where the socket does not show them; 0
/// without TLS.
static inline int cpostgres_hidden_bytes(PGconn *connection) {
  struct ssl_st *tls = (struct ssl_st *)PQsslStruct(connection, "OpenSSL");
  return tls == NULL ? 0 : SSL_pending(tls);
}

#endif
