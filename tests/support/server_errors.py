"""Errors that servers, and proxies before them, answer with."""

PASSING = {
    "BUSY": "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "ERR": "ERR upstream failure",
    "FAILOVER": "FAILOVER in progress",
    "LOADING": "LOADING Valkey is loading the dataset in memory",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF": "MISCONF Errors writing to the AOF file: No space left on device",
    "NOMASTERLINK": "NOMASTERLINK Can't SYNC while not connected with my master",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED": "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "UNKILLABLE": "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "unknown": "NEVERHEARD of by anybody",
}
"""What heals by itself."""

FULL = "OOM command not allowed when used memory > 'maxmemory'."

LASTING = {
    "NOAUTH": "NOAUTH Authentication required.",
    "NOPERM": "NOPERM User me has no permissions to run the command",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "WRONGTYPE": "WRONGTYPE Operation against a key holding the wrong kind of value",
}
"""What stays until somebody repairs it."""

TURNED_AWAY = "ERR max number of clients reached"
