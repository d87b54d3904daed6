// The program that one writes first in Go: quarter states of a file of JSON lines, in one goroutine, with the
// standard library. It prints how many hits it saw.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

type record struct {
	OrgID        string    `json:"org_id"`
	APIKey       string    `json:"api_key"`
	OauthID      string    `json:"oauth_id"`
	APIID        string    `json:"api_id"`
	Path         string    `json:"path"`
	TimeStamp    time.Time `json:"timestamp"`
	ResponseCode int       `json:"response_code"`
	RequestTime  int64     `json:"request_time"`
	Latency      struct {
		Total    int64 `json:"total"`
		Upstream int64 `json:"upstream"`
	} `json:"latency"`
	GraphQLStats struct{ IsGraphQL bool } `json:"graphql_stats"`
	MCPStats     struct {
		IsMCP bool `json:"is_mcp"`
	} `json:"mcp_stats"`
}

type series struct {
	org, key, oauth, api, path string
	quarter                    int64
}

type state struct {
	hits, success, errors, requestTime, total, upstream int64
	max, maxUpstream, min, minUpstream                  int64
	last                                                time.Time
	codes                                               map[int]int64
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	states := map[series]*state{}
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		if r.ResponseCode == -1 || r.GraphQLStats.IsGraphQL || r.MCPStats.IsMCP {
			continue
		}
		id := series{r.OrgID, r.APIKey, r.OauthID, r.APIID, r.Path, r.TimeStamp.Unix() / 900}
		s := states[id]
		if s == nil {
			s = &state{min: 1 << 62, minUpstream: 1 << 62, codes: map[int]int64{}}
			states[id] = s
		}
		s.hits++
		if r.ResponseCode >= 200 && r.ResponseCode < 300 {
			s.success++
		} else if r.ResponseCode >= 400 {
			s.errors++
		}
		s.requestTime += r.RequestTime
		s.total += r.Latency.Total
		s.upstream += r.Latency.Upstream
		s.max = max(s.max, r.Latency.Total)
		s.maxUpstream = max(s.maxUpstream, r.Latency.Upstream)
		s.min = min(s.min, r.Latency.Total)
		s.minUpstream = min(s.minUpstream, r.Latency.Upstream)
		if r.TimeStamp.After(s.last) {
			s.last = r.TimeStamp
		}
		s.codes[r.ResponseCode]++
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
	hits := int64(0)
	for _, s := range states {
		hits += s.hits
	}
	fmt.Println(hits)
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
