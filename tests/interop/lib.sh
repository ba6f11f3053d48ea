# Functions of the interoperability suite: jars, classes, ports, servers, the client JVM.
# Sourced by `run`; needs bash 4.4 or newer. Globals are in capitals and set in `run` or here.

PASSED=0
FAILED=0
SKIPPED=0
NS_PID=''
BROKER_PID=''
CONTAINER_PIDS=('' '')
CONTAINER_KINDS=('' '')
EXTRA_PIDS=()   # brokers beside the one the scenarios stop and start
SUITE_PID=''
NS_KIND=''
BROKER_KIND=''
NS_PORT=0
BROKER_PORT=0
CELL=''          # directory of the running combination of servers
BOOT_TIMEOUT=${SANSMQ_INTEROP_BOOT_TIMEOUT:-90}

die() {
  printf 'interop: %s\n' "$*" >&2
  exit 2
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is needed and not on the PATH"
  done
}

# ---------------------------------------------------------------- jars and classes

jars_complete() {
  local part
  for part in client tools broker namesrv container; do
    [[ -e $JARS/rocketmq-$part-5.3.3.jar ]] || return 1
  done
}

prepare_jars() {
  jars_complete && return
  [[ -z ${SANSMQ_INTEROP_JARS:-} ]] || die "SANSMQ_INTEROP_JARS has no RocketMQ 5.3.3 jars: $JARS"
  need mvn
  echo "fetching the Java reference with Maven" >&2
  # Filled in a side directory and renamed: a broken download is never taken for a complete one.
  rm -rf "$JARS.part"
  mvn -q -B -f "$HERE/pom.xml" dependency:copy-dependencies -DoutputDirectory="$JARS.part" >&2
  rm -rf "$JARS"
  mv "$JARS.part" "$JARS"
  jars_complete || die "Maven did not deliver the expected jars"
}

prepare_classes() {
  local stamp
  stamp=$(cat "$HERE"/java/interop/*.java | cksum)
  if [[ $(cat "$CLASSES/stamp" 2>/dev/null || true) != "$stamp" ]]; then
    rm -rf "$CLASSES"
    mkdir -p "$CLASSES"
    javac -nowarn -Xlint:-options -Xlint:-deprecation --release 11 -d "$CLASSES" -cp "$JARS/*" "$HERE"/java/interop/*.java 2> >(grep -v "^Note:" >&2)
    java -Xshare:auto -cp "$CLASSES:$JARS/*" interop.Suite --list >"$CLASSES/scenarios"
    printf '%s\n' "$stamp" >"$CLASSES/stamp"
  fi
}

# Names of the scenarios of the given sets (first column of the list) whose name matches a regex.
scenarios() { # REGEX SET...
  local regex=$1 set name
  shift
  while read -r set name; do
    case " $* " in *" $set "*) ;; *) continue ;; esac
    if [[ $name =~ $regex ]]; then printf '%s\n' "$name"; fi
  done <"$CLASSES/scenarios"
}

# ---------------------------------------------------------------- ports

PORT_CURSOR=${SANSMQ_INTEROP_PORT:-$((12000 + (RANDOM % 1500) * 12))}

port_is_free() {
  ! (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Sets PORT to a port P such that P-2 .. P+1 are free; the range lies below the ephemeral ports.
take_ports() {
  local tries offset
  for ((tries = 0; tries < 500; tries++)); do
    PORT_CURSOR=$((PORT_CURSOR + 6))
    ((PORT_CURSOR < 31000)) || PORT_CURSOR=12000
    for offset in -2 -1 0 1; do
      port_is_free $((PORT_CURSOR + offset)) || continue 2
    done
    PORT=$PORT_CURSOR
    return
  done
  die "no free ports"
}

# ---------------------------------------------------------------- servers

binary() { # KIND
  printf '%s/%s' "$BIN_DIR" "sansmq-${1#ours-}"
}

check_kind() {
  case $1 in
    java) ;;
    ours-mio | ours-async) [[ -x $(binary "$1") ]] || die "no executable $(binary "$1") (see --bin-dir)" ;;
    *) die "unknown server kind $1 (ours-mio, ours-async or java)" ;;
  esac
}

excerpt() { # FILE: the end of a log, without the noise of the Java logging library
  [[ -e $1 ]] || return 0
  grep -vE '^[0-9:,.]+ \|-' "$1" | tail -n "${2:-30}" | sed 's/^/    | /' || true
}

# Starts a server in the background and waits until LINE appears on its stdout; sets STARTED to its pid.
launch() { # WHAT KIND LOG LINE COMMAND...
  local what=$1 kind=$2 log=$3 line=$4 waited=0
  shift 4
  : >"$log"
  env HOME="$CELL/home" ROCKETMQ_HOME="$CELL/home" ROCKETMQ_SERIALIZE_TYPE="$SERVER_SERIALIZE" \
    "$@" >"$log" 2>&1 </dev/null 7>&- 8<&- &
  STARTED=$!
  while ! grep -qxF -- "$line" "$log"; do
    if ! kill -0 "$STARTED" 2>/dev/null || ((waited >= BOOT_TIMEOUT * 10)); then
      printf '    | %s (%s) did not print: %s\n' "$what" "$kind" "$line"
      excerpt "$log"
      end_process "$STARTED" KILL 5 || true
      STARTED=''
      return 1
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
}

java_server() { # HEAP MAIN ARGS...
  JAVA_SERVER=(java "-Xms$1" "-Xmx$1" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=512m
    -Duser.home="$CELL/home" -Drocketmq.home.dir="$CELL/home" -cp "$JARS/*" "org.apache.rocketmq.$2" "${@:3}")
}

start_namesrv() { # [KIND]
  NS_KIND=${1:-$NS_KIND}
  local command
  if [[ $NS_KIND == java ]]; then
    java_server 128m namesrv.NamesrvStartup -c "$CELL/namesrv.conf"
    command=("${JAVA_SERVER[@]}")
  else
    command=("$(binary "$NS_KIND")" namesrv -c "$CELL/namesrv.conf")
  fi
  launch nameserver "$NS_KIND" "$CELL/namesrv.$((++LAUNCHES)).log" \
    "The Name Server boot success. serializeType=$SERVER_SERIALIZE, address 0.0.0.0:$NS_PORT" "${command[@]}" || return 1
  NS_PID=$STARTED
}

start_broker() { # [KIND]
  BROKER_KIND=${1:-$BROKER_KIND}
  local command
  if [[ $BROKER_KIND == java ]]; then
    java_server 512m broker.BrokerStartup -c "$CELL/broker.conf" -n "127.0.0.1:$NS_PORT"
    command=("${JAVA_SERVER[@]}")
  else
    command=("$(binary "$BROKER_KIND")" broker -c "$CELL/broker.conf" -n "127.0.0.1:$NS_PORT")
  fi
  launch broker "$BROKER_KIND" "$CELL/broker.$((++LAUNCHES)).log" \
    "The broker[broker-a, 127.0.0.1:$BROKER_PORT] boot success. serializeType=$SERVER_SERIALIZE and name server is 127.0.0.1:$NS_PORT" \
    "${command[@]}" || return 1
  BROKER_PID=$STARTED
}

# Signals a process started here and waits for its end; falls back to KILL and fails after the limit.
end_process() { # PID SIGNAL SECONDS
  local pid=$1 waited=0
  [[ -n $pid ]] || return 0
  kill -s "$2" "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((waited >= $3 * 10)); then
      kill -s KILL "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.1
    waited=$((waited + 1))
  done
  wait "$pid" 2>/dev/null || true
}

stop_broker() { # SIGNAL
  local pid=$BROKER_PID
  BROKER_PID=''
  end_process "$pid" "$1" 30 || { echo "the broker did not end within 30 s of SIG$1"; return 1; }
  # The marker of an unclean end is part of the store format: there after a crash, gone after a clean stop.
  if [[ $1 == TERM && -e $CELL/store/abort ]]; then
    echo "store/abort is still there after a clean stop"
    return 1
  fi
  if [[ $1 == KILL && ! -e $CELL/store/abort ]]; then
    echo "no store/abort after kill -9"
    return 1
  fi
}

stop_namesrv() { # SIGNAL
  local pid=$NS_PID
  NS_PID=''
  end_process "$pid" "$1" 30 || { echo "the nameserver did not end within 30 s of SIG$1"; return 1; }
}

write_configs() {
  cat >"$CELL/namesrv.conf" <<CONF
listenPort=$NS_PORT
kvConfigPath=$CELL/ns/kvConfig.json
configStorePath=$CELL/ns/namesrv.properties
CONF
  cat >"$CELL/broker.conf" <<CONF
brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
listenPort=$BROKER_PORT
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
deleteWhen=04
fileReservedTime=48
brokerRole=ASYNC_MASTER
flushDiskType=ASYNC_FLUSH
storePathRootDir=$CELL/store
storePathCommitLog=$CELL/store/commitlog
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=600000
maxIndexNum=50000
maxHashSlotNum=10000
recallMessageEnable=true
transactionTimeOut=1000
transactionCheckInterval=5000
transactionOpBatchInterval=1000
CONF
}

# Makes the directory of a combination, with free ports and configurations.
prepare_cell() {
  LAUNCHES=0
  CELL=$(mktemp -d "$WORK/cell.XXXXXX")
  mkdir -p "$CELL/home/conf" "$CELL/ns" "$CELL/store"
  take_ports
  NS_PORT=$PORT
  take_ports
  BROKER_PORT=$PORT
  write_configs
}

start_servers() { # NAMESRV-KIND BROKER-KIND
  prepare_cell
  start_namesrv "$1" && start_broker "$2"
}

stop_servers() {
  end_process "$SUITE_PID" KILL 5 || true
  local pid
  for pid in "$BROKER_PID" "${EXTRA_PIDS[@]}"; do
    end_process "$pid" TERM 20 || true
  done
  # Java's takes 7 s for each broker; nobody looks at what it leaves.
  for pid in "${CONTAINER_PIDS[@]}"; do { end_process "$pid" KILL 5 || true; } 2>/dev/null; done
  end_process "$NS_PID" TERM 20 || true
  SUITE_PID='' BROKER_PID='' NS_PID='' CONTAINER_PIDS=('' '') EXTRA_PIDS=()
}

cleanup() {
  local status=$?
  trap - EXIT INT TERM
  if [[ -n ${KEEP:-} ]]; then echo "logs and stores are in $WORK" >&2; fi
  exec 2>/dev/null # bash announces each process that was killed
  local pid
  for pid in "$SUITE_PID" "$BROKER_PID" "${EXTRA_PIDS[@]}" "${CONTAINER_PIDS[@]}" "$NS_PID"; do
    end_process "$pid" KILL 5 || true
  done
  if [[ -z ${KEEP:-} ]]; then rm -rf "$WORK"; fi
  exit "$status"
}

# ---------------------------------------------------------------- the client JVM

# Carries out what a scenario asks for while it runs; prints nothing when all went well.
control() { # VERB ARGS...
  case $1 in
    stop-broker) stop_broker "$2" ;;
    start-broker) start_broker "${2:-}" ;;
    stop-namesrv) stop_namesrv "$2" ;;
    start-namesrv) start_namesrv "${2:-}" ;;
    stop-container) stop_container "$2" "$3" ;;
    start-container) start_container "$2" ;;
    *) echo "unknown request $*"; return 1 ;;
  esac
}

report_failed() { # NAME [REASON]
  FAILED=$((FAILED + 1))
  printf 'FAILED %s\n' "$1"
  if [[ -n ${2:-} ]]; then printf '    | %s\n' "$2"; fi
}

# Runs scenarios in one JVM against the running servers. The JVM talks in lines that begin with @:
#   @ok NAME SECONDS   @failed NAME SECONDS   @| TEXT (details of the failure before)   @skip NAME REASON   @control VERB ARGS
# A control line is answered with "done" or "error TEXT" on its stdin.
run_suite() { # LABEL NAMES...
  local label=$1 log=$CELL/client.log in=$CELL/client.in out=$CELL/client.out line verb rest name answer status=0
  shift
  local -A open=()
  for name in "$@"; do open[$name]=1; done
  mkfifo "$in" "$out"
  mkdir -p "$CELL/client-home"
  java -Xmx256m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=192m \
    -Duser.home="$CELL/client-home" -Drocketmq.client.logRoot="$CELL/client-home/logs" \
    -Drocketmq.serialize.type="$SERIALIZE" -Dinterop.mqadmin="$MQADMIN" -Dinterop.broker="$BROKER_KIND" -Dinterop.handover="${HANDOVER:-}" \
    -Dinterop.golden="${GOLDEN:-}" -Dinterop.golden.signals="${GOLDEN_SIGNALS:-}" -Dinterop.conf="$CELL/broker.conf" \
    -Dinterop.places="$CELL/places" -Dinterop.captures="$HERE/../golden/mqadmin" \
    -Dinterop.other="${OTHER:-}" -Dinterop.acting="${ACTING:-}" \
    -Djava.net.preferIPv4Stack=true -Drocketmq.client.rebalance.waitInterval=6000 \
    -cp "$CLASSES:$JARS/*" interop.Suite "127.0.0.1:$NS_PORT" "127.0.0.1:$BROKER_PORT" "$@" <"$in" >"$out" 2>"$log" &
  SUITE_PID=$!
  exec 7>"$in" 8<"$out"
  while status=0; IFS= read -r -t 240 line <&8 || { status=$?; false; }; do
    verb=${line%% *}
    rest=${line#* }
    case $verb in
      @ok)
        read -r name rest <<<"$rest"
        unset "open[$name]"
        PASSED=$((PASSED + 1))
        printf 'ok %s/%s (%s s)\n' "$label" "$name" "$rest"
        ;;
      @failed)
        read -r name rest <<<"$rest"
        unset "open[$name]"
        report_failed "$label/$name"
        ;;
      @skip)
        read -r name rest <<<"$rest"
        unset "open[$name]"
        SKIPPED=$((SKIPPED + 1))
        printf 'skipped %s/%s: %s\n' "$label" "$name" "$rest"
        ;;
      @control)
        # Not in a subshell: it changes the pids kept here.
        # shellcheck disable=SC2086
        if control $rest >"$CELL/control" 2>&1; then
          answer=done
        else
          answer="error $(tr '\n' ' ' <"$CELL/control")"
        fi
        echo "$answer" 2>/dev/null >&7 || true
        ;;
      '@|') printf '    | %s\n' "$rest" ;;
      *) ;;
    esac
  done
  exec 7>&- 8<&-
  rm -f "$in" "$out"
  if ((status > 128)); then
    echo "    | the client was silent for 240 s and is killed"
    end_process "$SUITE_PID" KILL 5 || true
  fi
  wait "$SUITE_PID" 2>/dev/null || true
  SUITE_PID=''
  if ((${#open[@]})); then
    excerpt "$log"
    for name in "${!open[@]}"; do report_failed "$label/$name" "no result from the client"; done
  fi
}

# One combination: starts the servers, runs the scenarios of the sets, stops the servers.
cell() { # NAMESRV-KIND BROKER-KIND REGEX SET...
  local ns=$1 broker=$2 regex=$3 label failed_before=$FAILED
  shift 3
  local -a names
  mapfile -t names < <(scenarios "$regex" "$@")
  ((${#names[@]})) || return 0
  label=$ns
  if [[ $ns != "$broker" ]]; then label=$ns+$broker; fi
  label=$label/$SERIALIZE
  SERVER_SERIALIZE=${SERVER_SERIALIZE_OPTION:-$SERIALIZE}
  if start_servers "$ns" "$broker"; then
    run_suite "$label" "${names[@]}"
    if ((FAILED > failed_before)); then
      echo "    | end of the broker's log:"
      excerpt "$(ls -t "$CELL"/broker.*.log | head -n 1)" 15
    fi
  else
    local name
    for name in "${names[@]}"; do report_failed "$label/$name" "servers did not start"; done
  fi
  stop_servers
  if [[ -z ${KEEP:-} ]]; then rm -rf "$CELL"; fi
}

# ---------------------------------------------------------------- containers

# A broker's file in $CELL/conf; further lines overrule.
container_broker() { # FILE NAME PORT STORE LINES...
  cat >"$CELL/conf/$1.conf" <<CONF
brokerClusterName=DefaultCluster
brokerName=$2
listenPort=$3
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
deleteWhen=04
fileReservedTime=48
flushDiskType=ASYNC_FLUSH
storePathRootDir=$CELL/stores/$4
storePathCommitLog=$CELL/stores/$4/commitlog
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=600000
maxIndexNum=50000
maxHashSlotNum=10000
registerNameServerPeriod=10000
CONF
  local line
  for line in "${@:5}"; do printf '%s\n' "$line" >>"$CELL/conf/$1.conf"; done
}

# Two containers crosswise, as conf/container/2container-2m-2s has them, and files of brokers to be added or refused.
write_container_configs() {
  local -a cross=(totalReplicas=2 inSyncReplicas=2 minInSyncReplicas=1 enableAutoInSyncReplicas=true slaveReadEnable=true
    brokerHeartbeatInterval=1000 brokerNotActiveTimeoutMillis=5000 sendHeartbeatTimeoutMillis=1000 enableSlaveActingMaster=true)
  local -a master=(brokerId=0 brokerRole=SYNC_MASTER "${cross[@]}") slave=(brokerId=1 brokerRole=SLAVE "${cross[@]}")
  local a=$BROKER_PORT b as bs e es containers=() n
  mkdir -p "$CELL/conf"
  take_ports; b=$PORT
  take_ports; as=$PORT
  take_ports; bs=$PORT
  take_ports; e=$PORT
  take_ports; es=$PORT
  take_ports; containers[1]=$PORT
  take_ports; containers[2]=$PORT
  container_broker a-in-1 broker-a "$a" c1/a "${master[@]}"
  container_broker b-in-1 broker-b "$bs" c1/b "${slave[@]}"
  container_broker a-in-2 broker-a "$as" c2/a "${slave[@]}"
  container_broker b-in-2 broker-b "$b" c2/b "${master[@]}"
  container_broker e1 broker-e "$e" e1
  container_broker e2same-port broker-e2 "$e" e2
  take_ports
  container_broker e3same-store broker-e3 "$PORT" e1
  container_broker e4dup broker-e4 "$PORT" e4 duplicationEnable=true
  container_broker e5slave0 broker-e5 "$PORT" e5 brokerRole=SLAVE brokerId=0
  container_broker e6repl broker-e6 "$PORT" e6 totalReplicas=1 inSyncReplicas=2
  container_broker e7ctl broker-e7 "$PORT" e7 enableControllerMode=true brokerRole=SLAVE brokerId=0
  container_broker e8slave broker-e "$es" e8 brokerRole=SLAVE brokerId=1
  for n in 1 2; do
    printf '%s\n' "listenPort=${containers[n]}" "namesrvAddr=127.0.0.1:$NS_PORT" fetchNamesrvAddrByAddressServer=false \
      "brokerConfigPaths=$CELL/conf/a-in-$n.conf:$CELL/conf/b-in-$n.conf" >"$CELL/conf/container$n.conf"
  done
  printf '%s\n' supportActingMaster=true >>"$CELL/namesrv.conf"
  printf '%s\n' "container1=127.0.0.1:${containers[1]}" "container2=127.0.0.1:${containers[2]}" "confs=$CELL/conf" \
    "broker-a=127.0.0.1:$a" "broker-a-slave=127.0.0.1:$as" "broker-b=127.0.0.1:$b" "broker-b-slave=127.0.0.1:$bs" \
    "broker-e=127.0.0.1:$e" "broker-e-slave=127.0.0.1:$es" >"$CELL/places"
}

start_container() { # NUMBER [KIND]
  local kind=${2:-${CONTAINER_KINDS[$1 - 1]}} command
  CONTAINER_KINDS[$1 - 1]=$kind
  if [[ $kind == java ]]; then
    java_server 512m container.BrokerContainerStartup -c "$CELL/conf/container$1.conf"
    command=("${JAVA_SERVER[@]}")
  else
    command=("$(binary "$kind")" container -c "$CELL/conf/container$1.conf")
  fi
  # It says this last: of its two brokers the master of broker-b is in the second container.
  launch "container $1" "$kind" "$CELL/container$1.$((++LAUNCHES)).log" \
    "Broker [broker-b-$((2 - $1))] boot success. serializeType=$SERVER_SERIALIZE" "${command[@]}" || return 1
  CONTAINER_PIDS[$1 - 1]=$STARTED
}

stop_container() { # NUMBER SIGNAL
  local pid=${CONTAINER_PIDS[$1 - 1]}
  CONTAINER_PIDS[$1 - 1]=''
  { end_process "$pid" "$2" 60; } 2>/dev/null || { echo "container $1 did not end within 60 s of SIG$2"; return 1; }
}

# A container of ours and another one, each with a master and the slave of the other's. Two of ours live what was recorded.
container_cell() { # OURS REGEX [OTHER]
  local -a names
  local set=container
  if [[ ${3:-java} != java ]]; then set=recorded; fi
  mapfile -t names < <(scenarios "$2" "$set")
  ((${#names[@]})) || return 0
  local failed_before=$FAILED name other=${3:-java}
  SERVER_SERIALIZE=${SERVER_SERIALIZE_OPTION:-$SERIALIZE}
  prepare_cell
  write_container_configs
  if start_namesrv "$1" && start_container 2 "$other" && start_container 1 "$1"; then
    BROKER_KIND=$1
    run_suite "$1+$other/$SERIALIZE" "${names[@]}"
    if ((FAILED > failed_before)); then
      echo "    | end of the containers' logs:"
      excerpt "$(ls -t "$CELL"/container1.*.log | head -n 1)" 15
      excerpt "$(ls -t "$CELL"/container2.*.log | head -n 1)" 15
    fi
  else
    for name in "${names[@]}"; do report_failed "$1+$other/$SERIALIZE/$name" "servers did not start"; done
  fi
  stop_servers
  if [[ -z ${KEEP:-} ]]; then rm -rf "$CELL"; fi
}

# ---------------------------------------------------------------- golden stores

# Everything the reference itself can open (e7 has a commit-log file that is cut short: both refuse it).
GOLDEN_ALL='a-clean a2-clean-lmq b-kill9 c-multipath d-timer e1 e2 e3 e5 e6 e9 e10 e11 e13 f-options'

set_conf() { # KEY VALUE: in the broker's configuration
  sed -i "/^$1=/d" "$CELL/broker.conf"
  printf '%s=%s\n' "$1" "$2" >>"$CELL/broker.conf"
}

# The settings a golden store was written with, as `key=value` lines; the damaged ones name none of their own.
golden_settings() { # NAME
  local base=$1
  case $1 in
    e13) base=a-clean ;;
    e*) base=b-kill9 ;;
  esac
  tr -d '\n' <"$GOLDEN_DIR/$base.expected.json" | grep -o '"config" *: *{[^}]*}' | head -n 1 |
    grep -oE '"[A-Za-z0-9]+" *: *"[^"]*"' | sed -E 's/"([A-Za-z0-9]+)" *: *"([^"]*)"/\1=\2/' |
    grep -vE '^(broker|listenPort|storePath|readOnly|transactionCheck|flushDisk)'
}

# Unpacks a golden store into the cell and configures the broker for it. Old messages must not expire under the
# test, and what is written in periods is written soon.
prepare_golden() { # NAME
  local key value
  tar -xzf "$GOLDEN_DIR/$1.tar.gz" -C "$CELL"
  while IFS='=' read -r key value; do set_conf "$key" "$value"; done < <(golden_settings "$1")
  set_conf fileReservedTime 100000
  set_conf flushConsumerOffsetInterval 1000
  set_conf flushDelayOffsetInterval 1000
  set_conf transactionCheckInterval 2000
  set_conf transactionTimeOut 6000
  set_conf transactionOpBatchInterval 500
  # What is only about messages to come may be switched on for any store.
  case $1 in
    b-kill9 | e2 | e6 | e10)
      set_conf enableLmq true
      set_conf enableMultiDispatch true
      ;;
    c-multipath | e3 | e9 | e11) set_conf enableConsumeQueueExt true ;;
  esac
  if [[ -d $CELL/cl1 ]]; then
    set_conf storePathCommitLog "$CELL/cl1,$CELL/cl2,$CELL/cl3"
    set_conf readOnlyCommitLogStorePaths "$CELL/cl1"
  fi
}

# Golden stores go to OURS and back to Java: FIRST is how ours ends the first time (TERM or KILL), the other way the second.
golden_cells() { # OURS FIRST NAME...
  local ours=$1 second=KILL name failed_before
  GOLDEN_SIGNALS="$2 $second"
  if [[ $2 == KILL ]]; then GOLDEN_SIGNALS='KILL TERM'; fi
  shift 2
  SERVER_SERIALIZE=${SERVER_SERIALIZE_OPTION:-$SERIALIZE}
  for name in "$@"; do
    [[ -e $GOLDEN_DIR/$name.tar.gz ]] || die "no golden store $name in $GOLDEN_DIR"
    failed_before=$FAILED
    GOLDEN=$GOLDEN_DIR/$name.expected.json
    prepare_cell
    prepare_golden "$name"
    if start_namesrv "$ours" && start_broker "$ours"; then
      run_suite "$ours/golden:$name" golden-handover
      if ((FAILED > failed_before)); then
        echo "    | end of the broker's log:"
        excerpt "$(ls -t "$CELL"/broker.*.log | head -n 1)" 15
      fi
    else
      report_failed "$ours/golden:$name/golden-handover" "servers did not start"
    fi
    stop_servers
    GOLDEN=''
    if [[ -z ${KEEP:-} ]]; then rm -rf "$CELL"; fi
  done
}

# ---------------------------------------------------------------- acting master

# A further broker: a copy of the first one's configuration with other settings.
start_extra() { # KIND CONF NAME PORT KEY=VALUE...
  local kind=$1 conf=$CELL/$2.conf name=$3 port=$4 command key
  sed -E '/^(brokerId|brokerName|brokerRole|listenPort|haListenPort|storePath[A-Za-z]*)=/d' "$CELL/broker.conf" >"$conf"
  mkdir -p "$CELL/$2"
  printf '%s\n' "brokerName=$name" "listenPort=$port" "haListenPort=$((port + 1))" "storePathRootDir=$CELL/$2" \
    "storePathCommitLog=$CELL/$2/commitlog" >>"$conf"
  for key in "${@:5}"; do
    sed -i "/^${key%%=*}=/d" "$conf"
    printf '%s\n' "$key" >>"$conf"
  done
  if [[ $kind == java ]]; then
    java_server 512m broker.BrokerStartup -c "$conf" -n "127.0.0.1:$NS_PORT"
    command=("${JAVA_SERVER[@]}")
  else
    command=("$(binary "$kind")" broker -c "$conf" -n "127.0.0.1:$NS_PORT")
  fi
  launch "$2" "$kind" "$CELL/$2.log" \
    "The broker[$name, 127.0.0.1:$port] boot success. serializeType=$SERVER_SERIALIZE and name server is 127.0.0.1:$NS_PORT" \
    "${command[@]}" || return 1
  EXTRA_PIDS+=("$STARTED")
}

# A master and its slave of different kinds, and a master of another name: the first one is killed and comes back.
acting_cell() { # NAMESRV MASTER SLAVE OTHER
  local label=$1/$2+$3 failed_before=$FAILED slave other pair
  SERVER_SERIALIZE=${SERVER_SERIALIZE_OPTION:-$SERIALIZE}
  prepare_cell
  take_ports
  slave=$PORT
  take_ports
  other=$PORT
  printf '%s\n' supportActingMaster=true notifyMinBrokerIdChanged=true >>"$CELL/namesrv.conf"
  for pair in enableSlaveActingMaster=true enableRemoteEscape=true totalReplicas=2 slaveReadEnable=true \
    brokerNotActiveTimeoutMillis=5000 transactionCheckInterval=3000 flushConsumerOffsetInterval=1000 \
    "haListenPort=$((BROKER_PORT + 1))"; do
    set_conf "${pair%%=*}" "${pair#*=}"
  done
  OTHER=127.0.0.1:$other
  ACTING=$3
  if start_namesrv "$1" && start_broker "$2" &&
    start_extra "$3" slave broker-a "$slave" brokerId=1 brokerRole=SLAVE &&
    start_extra "$4" other broker-b "$other" brokerId=0 brokerRole=ASYNC_MASTER totalReplicas=1; then
    run_suite "$label" acting-master
    if ((FAILED > failed_before)); then
      for pair in slave other; do
        echo "    | end of the log of $pair:"
        excerpt "$CELL/$pair.log" 15
      done
    fi
  else
    report_failed "$label/acting-master" "servers did not start"
  fi
  stop_servers
  OTHER=''
  if [[ -z ${KEEP:-} ]]; then rm -rf "$CELL"; fi
}

# ---------------------------------------------------------------- failover

# Brokers of ours and of Java under one name and our controllers, Java clients on them: a master of ours is killed, then one
# of Java's. The program of the failover runs does all of it.
mixed_failover() { # FRONTEND
  local name=ours-$1+java/mixed-failover log=$WORK/failover-$1.log program=$BIN_DIR/failover base=$((PORT_CURSOR + 6))
  if [[ ! -x $program ]]; then
    report_failed "$name" "no executable $program (see --bin-dir)"
    return
  fi
  PORT_CURSOR=$((PORT_CURSOR + 140))
  local began=$SECONDS
  TMPDIR=$WORK "$program" --rounds 2 --fault master --frontend "$1" --brokers ours,java,ours --port "$base" \
    --bin-dir "$BIN_DIR" --java-jars "$JARS" >"$log" 2>&1 &
  SUITE_PID=$!
  if wait "$SUITE_PID"; then
    PASSED=$((PASSED + 1))
    printf 'ok %s (%s s)\n' "$name" $((SECONDS - began))
  else
    report_failed "$name"
    excerpt "$log"
  fi
  SUITE_PID=''
}
