;; A component of the world holiday:durable/guest with one service `S` and one handler `h`.
;;
;; A test puts its handler, in core WebAssembly, in the place marked below. The parameters are the request, flat:
;;   $service $service-len $has-key $key $key-len $handler $handler-len $input $input-len
;; and it returns the address of the result, made by one of $succeed, $fail and $retry. At 1024 the host writes
;; what it answers.
(component
  (import "wasi:io/poll@0.2.12" (instance $poll
    (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))

  (import "wasi:clocks/monotonic-clock@0.2.12" (instance $clock
    (alias outer 1 $pollable (type $pollable))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))

  (import "wasi:random/random@0.2.12" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))

  (import "holiday:durable/types@0.1.0" (instance $types
    (type $a (record (field "service" string) (field "key" (option string)) (field "handler" string)))
    (export "target" (type (eq $a)))
    (type $b (record (field "code" u16) (field "message" string)))
    (export "failure" (type $failure (eq $b)))
    (type $c (variant (case "success" (list u8)) (case "failure" $failure)))
    (export "outcome" (type (eq $c)))
    (type $d (variant (case "success" (list u8)) (case "failure" $failure) (case "not-ready")))
    (export "answer" (type (eq $d)))))
  (alias export $types "target" (type $target))
  (alias export $types "failure" (type $failure))
  (alias export $types "answer" (type $answer))

  (import "holiday:durable/context@0.1.0" (instance $context
    (alias outer 1 $pollable (type $pollable))
    (alias outer 1 $failure (type $failure))
    (alias outer 1 $answer (type $answer))
    (export "pending" (type $pending (sub resource)))
    (export "run-token" (type $run-token (sub resource)))
    (type $e (enum "fail" "pause"))
    (export "exhausted" (type $exhausted (eq $e)))
    (type $a (record
      (field "initial-interval-ms" u64) (field "factor" float64) (field "max-interval-ms" u64)
      (field "max-attempts" (option u32)) (field "max-duration-ms" (option u64)) (field "then" $exhausted)))
    (export "retry-policy" (type $retry-policy (eq $a)))
    (type $b (variant (case "replayed" (own $pending)) (case "execute" (own $run-token))))
    (export "run-step" (type $run-step (eq $b)))
    (type $c (variant (case "success" (list u8)) (case "terminal" $failure) (case "retryable" string)))
    (export "run-outcome" (type $run-outcome (eq $c)))
    (type $d (variant (case "pending" u32) (case "io" (list u32)) (case "cancelled" $failure)))
    (export "ready" (type $ready (eq $d)))
    (export "[static]pending.take" (func (param "this" (own $pending)) (result $answer)))
    (export "sleep" (func
      (param "duration-ms" u64) (param "name" (option string)) (result (own $pending))))
    (export "run" (func (param "name" string) (param "retry" (option $retry-policy)) (result $run-step)))
    (export "finish-run" (func
      (param "token" (own $run-token)) (param "outcome" $run-outcome) (result (own $pending))))
    (export "set-state" (func (param "key" string) (param "value" (list u8))))
    (export "reveal" (func (param "text" string) (result (result string (error $failure)))))
    (export "wait" (func
      (param "durable" (list (borrow $pending))) (param "io" (list (borrow $pollable))) (result $ready)))))
  (alias export $context "run-token" (type $run-token))
  (alias export $context "pending" (type $pending))

  (core module $memory-module
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $memory-module))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))

  (core func $now (canon lower (func $clock "now")))
  (core func $draw (canon lower (func $random "get-random-bytes") (memory $m) (realloc $realloc)))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $take (canon lower (func $context "[static]pending.take") (memory $m) (realloc $realloc)))
  (core func $sleep (canon lower (func $context "sleep") (memory $m)))
  (core func $run (canon lower (func $context "run") (memory $m)))
  (core func $finish-run (canon lower (func $context "finish-run") (memory $m)))
  (core func $set-state (canon lower (func $context "set-state") (memory $m)))
  (core func $reveal (canon lower (func $context "reveal") (memory $m) (realloc $realloc)))
  (core func $wait (canon lower (func $context "wait") (memory $m) (realloc $realloc)))
  (core func $drop-token (canon resource.drop $run-token))
  (core func $drop-pending (canon resource.drop $pending))

  (core module $guest-module
    (import "host" "memory" (memory 2))
    (import "host" "now" (func $now (result i64)))
    (import "host" "draw" (func $draw (param i64 i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "take" (func $take (param i32 i32)))
    (import "host" "sleep" (func $sleep (param i64 i32 i32 i32) (result i32)))
    (import "host" "run" (func $run (param i32 i32 i32 i64 f64 i64 i32 i32 i32 i64 i32 i32)))
    (import "host" "finish-run" (func $finish-run (param i32 i32 i32 i32 i32) (result i32)))
    (import "host" "set-state" (func $set-state (param i32 i32 i32 i32)))
    (import "host" "reveal" (func $reveal (param i32 i32 i32)))
    (import "host" "wait" (func $wait (param i32 i32 i32 i32 i32)))
    (import "host" "drop-token" (func $drop-token (param i32)))
    (import "host" "drop-pending" (func $drop-pending (param i32)))

    ;; 0: texts. 64: the list of services. 128: the service. 192: the handler. 512: the result.
    (data (i32.const 0) "Shstep")
    (data (i32.const 64) "\80\00\00\00\01\00\00\00")
    (data (i32.const 128) "\00\00\00\00\01\00\00\00" "\01\00\00\00" "\c0\00\00\00\01\00\00\00")
    (data (i32.const 192) "\01\00\00\00\01\00\00\00")
    (func (export "describe") (result i32) (i32.const 64))

    (func $succeed (param i32 i32) (result i32)
      (i32.store8 (i32.const 512) (i32.const 0))
      (i32.store (i32.const 516) (local.get 0))
      (i32.store (i32.const 520) (local.get 1))
      (i32.const 512))
    (func $fail (param $code i32) (param i32 i32) (result i32)
      (i32.store8 (i32.const 512) (i32.const 1))
      (i32.store8 (i32.const 516) (i32.const 0))
      (i32.store16 (i32.const 520) (local.get $code))
      (i32.store (i32.const 524) (local.get 1))
      (i32.store (i32.const 528) (local.get 2))
      (i32.const 512))
    (func $retry (param i32 i32) (result i32)
      (i32.store8 (i32.const 512) (i32.const 1))
      (i32.store8 (i32.const 516) (i32.const 1))
      (i32.store (i32.const 520) (local.get 0))
      (i32.store (i32.const 524) (local.get 1))
      (i32.const 512))
    ;; Sleeps and returns the pending answer.
    (func $start-sleep (param $ms i64) (result i32)
      (call $sleep (local.get $ms) (i32.const 0) (i32.const 0) (i32.const 0)))
    ;; Begins the step `step`. At 1024 there is 1 if it is to be executed, at 1028 the handle.
    (func $start-run
      (call $run (i32.const 2) (i32.const 4) (i32.const 0) (i64.const 0) (f64.const 0) (i64.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 1024)))
    ;; Waits for one pending answer and takes it: at 1028 its address, at 1032 its size.
    (func $await (param $pending i32)
      (i32.store (i32.const 1000) (local.get $pending))
      (call $wait (i32.const 1000) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1024))
      (call $take (local.get $pending) (i32.const 1024)))

    (table $table 0 funcref)

    (func $handle (export "handle")
      (param $service i32) (param $service-len i32) (param $has-key i32) (param $key i32) (param $key-len i32)
      (param $handler i32) (param $handler-len i32) (param $input i32) (param $input-len i32) (result i32)
      (;HANDLE;)))
  (core instance $guest (instantiate $guest-module (with "host" (instance
    (export "memory" (memory $m))
    (export "now" (func $now))
    (export "draw" (func $draw))
    (export "subscribe" (func $subscribe))
    (export "take" (func $take))
    (export "sleep" (func $sleep))
    (export "run" (func $run))
    (export "finish-run" (func $finish-run))
    (export "set-state" (func $set-state))
    (export "reveal" (func $reveal))
    (export "wait" (func $wait))
    (export "drop-token" (func $drop-token))
    (export "drop-pending" (func $drop-pending))))))

  (type $a (enum "service" "object" "workflow"))
  (export $service-kind "service-kind" (type $a))
  (type $b (enum "exclusive" "shared" "workflow-run"))
  (export $handler-mode "handler-mode" (type $b))
  (type $c (record (field "content-type" string) (field "schema" (option string))))
  (export $media "media" (type $c))
  (type $d (record (field "name" string) (field "value" string)))
  (export $setting "setting" (type $d))
  (type $e (record
    (field "name" string) (field "mode" $handler-mode) (field "input" (option $media))
    (field "output" (option $media)) (field "documentation" (option string))
    (field "settings" (list $setting))))
  (export $handler "handler" (type $e))
  (type $f (record
    (field "name" string) (field "kind" $service-kind) (field "handlers" (list $handler))
    (field "documentation" (option string)) (field "settings" (list $setting))))
  (export $service "service" (type $f))
  (func (export "describe") (result (list $service))
    (canon lift (core func $guest "describe") (memory $m)))

  (type $g (record (field "target" $target) (field "input" (list u8))))
  (export $request "request" (type $g))
  (type $h (variant (case "terminal" $failure) (case "retryable" string)))
  (export $handler-error "handler-error" (type $h))
  (func (export "handle") (param "request" $request) (result (result (list u8) (error $handler-error)))
    (canon lift (core func $guest "handle") (memory $m) (realloc $realloc))))
