// Verifies tokens with go-jose as its documentation shows it, by the published keys.
//
// Arguments: the file of the JWK Set, issuer, audience. Standard input: a token a line. Standard output: "accepted" or
// "refused", a line each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	jose "gopkg.in/square/go-jose.v2"
	"gopkg.in/square/go-jose.v2/jwt"
)

func accepts(token string, keys jose.JSONWebKeySet, issuer, audience string) bool {
	parsed, err := jwt.ParseSigned(token)
	if err != nil || len(parsed.Headers) != 1 {
		return false
	}
	algorithm := parsed.Headers[0].Algorithm
	if algorithm != string(jose.EdDSA) && algorithm != string(jose.ES256) {
		return false
	}
	found := keys.Key(parsed.Headers[0].KeyID)
	if len(found) != 1 {
		return false
	}
	var claims jwt.Claims
	if parsed.Claims(found[0].Key, &claims) != nil {
		return false
	}
	expected := jwt.Expected{Issuer: issuer, Audience: jwt.Audience{audience}, Time: time.Now()}
	return claims.Expiry != nil && claims.ValidateWithLeeway(expected, 30*time.Second) == nil
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(text, &keys); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if accepts(lines.Text(), keys, os.Args[2], os.Args[3]) {
			fmt.Println("accepted")
		} else {
			fmt.Println("refused")
		}
	}
}
