/* In place of what databases_build makes, for databases_build itself. */
#include "redaction/databases.h"

const uint8_t built_databases[sizeof(struct built_database)];
