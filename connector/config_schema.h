/* The configuration's JSON Schema (draft 7, which editors know), made from the option table. */
#ifndef UPSINK_CONFIG_SCHEMA_H
#define UPSINK_CONFIG_SCHEMA_H

/* Text with a newline at its end, to be freed; NULL when out of memory. */
char *config_schema_create(void);

#endif
