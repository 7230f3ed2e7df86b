#!/usr/bin/env bash
# Starts a control plane on loopback, without containers, with rolecall registered in it and a sample to try it on; until
# Ctrl-C. With --once it does what it would have a person try, shows what comes of it, and ends.
#
# ROLECALL names the binary; without it one is built. All that it writes is below target/cluster.
set -euo pipefail
shopt -s inherit_errexit

case "$*" in
  "") mode=open ;;
  --once) mode=once ;;
  *) echo "usage: examples/cluster/run.sh [--once]" >&2 && exit 2 ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${ROLECALL:+$(realpath "$ROLECALL")}
cd "$root"
dir=$root/target/cluster/$mode

say() { echo "cluster: $*" >&2; }
fail() { say "$@" && exit 1; }

# One at a time in a folder; the lock is not for those that are started.
mkdir -p "$dir"
exec 9>"$dir/lock"
flock --nonblock 9 || fail "another run uses target/cluster/$mode"
find "$dir" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +

rolecall_pid=
cluster_pid=
is_ready=

ended() { ! kill -0 "$1" 2>/dev/null; }

end() { # Ends a process of ours, and waits for it.
  local pid=$1 patience=150
  [[ -n "$pid" ]] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  until ended "$pid" || ((patience-- == 0)); do sleep 0.2; done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  end "$rolecall_pid"
  end "$cluster_pid"
  if [[ $status != 0 && -z "$is_ready" ]]; then
    say "it did not get ready: see target/cluster/$mode/rolecall.log, up.log, cluster/logs"
    [[ ! -s "$dir/rolecall.log" ]] || tail -n 3 "$dir/rolecall.log" | cut -c 1-400 >&2
  fi
  exit "$status"
}
trap finish EXIT
interrupted() { # Once it is ready, that is how it is meant to end.
  [[ -z "$is_ready" ]] || exit 0
  exit 130
}
trap interrupted INT
trap 'exit 143' TERM
trap 'exit 129' HUP

fact() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$dir/facts.json"; }

kubectl() { HOME=$dir KUBECONFIG=$kubeconfig "$program" kubectl "$@" 9>&- 8>&-; }

# Asks an address of this machine over plain HTTP, without credentials.
plainly() { HOME=$dir KUBECONFIG=/dev/null "$program" kubectl --server="$1" "${@:2}" 9>&- 8>&-; }

quietly() { # Runs a command whose output is of interest only when it fails.
  "$@" >"$dir/last" 2>&1 || { cat "$dir/last" >&2 && fail "failed: $*"; }
}

eventually() { # Waits until a command succeeds; its name for the case that it never does comes first.
  local what=$1 deadline=$((SECONDS + 120))
  shift
  until "$@" >"$dir/last" 2>&1; do
    if ((SECONDS >= deadline)); then
      cat "$dir/last" >&2
      fail "$what: not within two minutes"
    fi
    [[ -z "$cluster_pid" ]] || ! ended "$cluster_pid" || fail "the cluster ended: $(tail -n 3 "$dir/up.log")"
    [[ -z "$rolecall_pid" ]] || ! ended "$rolecall_pid" || fail "rolecall ended"
    sleep 0.2
  done
}

# --- The cluster, and rolecall.

if [[ -z "$binary" ]]; then
  say "building rolecall"
  cargo build --no-default-features --features kube >&2 9>&-
  binary=$(realpath "${CARGO_TARGET_DIR:-target}/debug/rolecall")
fi
program=$(tests/cluster/build.sh 9>&-)

say "starting the cluster"
mkfifo "$dir/parent"
# It ends when the other end is closed, however this script ends.
"$program" up --with-parent --dir "$dir/cluster" <"$dir/parent" >"$dir/facts.json" 2>"$dir/up.log" 9>&- &
cluster_pid=$!
exec 8>"$dir/parent"
eventually "the cluster" grep -q '"control"' "$dir/facts.json"
kubeconfig=$(fact kubeconfig)
control=$(fact control)

say "registering rolecall"
manifests=deploy/manifests
quietly kubectl apply -f "$manifests/namespace.yaml" -f "$manifests/rbac.yaml" -f "$manifests/pause.yaml"
token=$(kubectl create token -n rolecall rolecall --duration=24h)
printf '{"user":"rolecall","token":"%s"}' "$token" >"$dir/user.json"
of_rolecall=$(plainly "$control" create --raw /kubeconfigs -f "$dir/user.json" | sed -n 's/.*"kubeconfig":"\([^"]*\)".*/\1/p')
# The snapshot's associations, which the injector goes by too.
echo '[{"namespace":"carts","serviceAccount":"carts-pi"},{"namespace":"carts","serviceAccount":"both"}]' >"$dir/associations.json"
quietly plainly "$control" replace --raw /associations -f "$dir/associations.json"

KUBECONFIG=$of_rolecall RUST_LOG=info "$binary" serve --source tests/fixtures/snapshot.json \
  --config "$here/rolecall.yaml" --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
  </dev/null >/dev/null 2>"$dir/rolecall.log" 8>&- 9>&- &
rolecall_pid=$!
eventually "rolecall's ports" grep -q '"message":"serving"' "$dir/rolecall.log"
address() { sed -n "/\"message\":\"serving\"/s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$dir/rolecall.log"; }
port=$(address reviews)
port=${port##*:}
metrics=http://$(address metrics)

# Where there are no nodes, the Service leads to this machine.
quietly kubectl apply -f - <<END
apiVersion: v1
kind: Service
metadata: {name: rolecall, namespace: rolecall}
spec: {type: ExternalName, externalName: localhost, ports: [{port: $port}]}
END
sed "s/port: 443/port: $port/" "$manifests/webhook.yaml" >"$dir/webhook.yaml"
quietly kubectl apply -f "$dir/webhook.yaml" -f "$manifests/backstop.yaml" -f "$here/sample.yaml"

trusted() { # All webhooks have a caBundle.
  local bundles
  bundles=$(kubectl get validatingwebhookconfiguration rolecall -o 'jsonpath={.webhooks[*].clientConfig.caBundle}')
  [[ $(wc -w <<<"$bundles") == 3 ]]
}
injected() { # The service account's pods have this variable.
  kubectl run probe -n carts --image=example.com/carts:1 --dry-run=server -o yaml \
    --overrides="{\"spec\":{\"serviceAccountName\":\"$1\"}}" | grep -q "$2"
}
denied() {
  local answer
  ! answer=$(kubectl create --dry-run=server -f "$here/2-denied.yaml" 2>&1) && [[ "$answer" == *validate.rolecall.dev* ]]
}
guarded() {
  local answer
  ! answer=$(kubectl label namespace shop rolecall.dev/enforce=off --overwrite --dry-run=server --as=alice 2>&1) &&
    [[ "$answer" == *levels.rolecall.dev* ]]
}
told() {
  local only=involvedObject.kind=Deployment,involvedObject.name=orders,reason=IdentityDenied events
  events=$(kubectl get events -n shop -o name --field-selector "$only") && [[ -n "$events" ]]
}

eventually "rolecall is ready" plainly "$metrics" get --raw /readyz
eventually "the caBundle" trusted
eventually "the injector knows carts/carts" injected carts AWS_ROLE_ARN
eventually "the injector knows carts/carts-pi" injected carts-pi AWS_CONTAINER_CREDENTIALS_FULL_URI
eventually "the first denial" denied
eventually "the levels are guarded" guarded

say "loading the sample"
quietly kubectl apply -f "$here/workloads.yaml"
eventually "the pods of carts" kubectl wait --for=create pod -l app=carts -n carts --timeout=5s
eventually "the event about shop/orders" told
is_ready=yes

# --- What to try.

if [[ $mode == open ]]; then
  cat <<END

The cluster runs. In another terminal:

  cd $root
  export KUBECONFIG=$kubeconfig
  alias kubectl='$program kubectl'
  alias rolecall='$binary'

Namespaces carts and shop deny pods whose identity will not work (rolecall.dev/enforce: chain); legacy says nothing.
END
fi

number=0
try() { # What one will see, the command, and whether it is to succeed.
  local sees=$1 command=$2 expected=${3:-succeed}
  number=$((number + 1))
  printf '\n%s. %s\n\n   $ %s\n' "$number" "$sees" "$command"
  [[ $mode == once ]] || return 0
  local status=0
  eval "$command" 2>&1 | sed 's/^/   /' || status=$?
  case "$expected:$status" in
    succeed:0 | fail:[1-9]*) ;;
    *) fail "that was to $expected, and its exit code is $status" ;;
  esac
}
rolecall() { KUBECONFIG=$kubeconfig "$binary" "$@" 8>&- 9>&-; }

try "A Deployment is created with a warning: its pods cannot assume the role that they name." \
  "kubectl apply -f examples/cluster/1-warned.yaml"
try "A pod is denied: the subject that the role trusts, the subject of the pod, and the command that fixes it." \
  "kubectl apply -f examples/cluster/2-denied.yaml" fail
try "Denials of pods that a controller creates are easy to miss: an Event on the Deployment reports them." \
  "kubectl get events -n shop --field-selector reason=IdentityDenied -o custom-columns=ON:.involvedObject.kind,NAME:.involvedObject.name,MESSAGE:.message"
try "The pod of 2. exempts itself by annotation: that lifts warnings, not denials." \
  "kubectl apply -f examples/cluster/4-exempted.yaml" fail
try "An administrator exempts the namespace, and the pod is admitted; the audit log has it." \
  "kubectl annotate namespace shop rolecall.dev/ignore=irsa-trust-subject && kubectl apply -f examples/cluster/4-exempted.yaml"
try "alice may edit namespaces, but may not lower their levels: that needs another right." \
  "kubectl label namespace shop rolecall.dev/enforce=off --overwrite --as=alice" fail
try "Everything that exists already is checked: what is broken, which objects are affected, and exit code 1." \
  "rolecall scan --source tests/fixtures/snapshot.json" fail

if [[ $mode == once ]]; then
  exit 0
fi
cat <<END

Decisions in the API server's audit log:

   $ grep -o '"validate.rolecall.dev/[^,}]*' $(fact auditLog)

rolecall's log is target/cluster/open/rolecall.log, its metrics are $metrics/metrics. Ctrl-C ends all of it.
END
wait -n "$cluster_pid" "$rolecall_pid" || true
fail "the cluster or rolecall ended by itself: see target/cluster/open"
