module nebula/bench/peer

go 1.24.0

require (
	github.com/jackc/puddle/v2 v2.2.3
	github.com/sony/gobreaker/v2 v2.4.0
	golang.org/x/sync v0.1.0
	golang.org/x/time v0.14.0
)
