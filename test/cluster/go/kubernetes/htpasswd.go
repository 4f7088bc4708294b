package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// writePassword reads "user password" and writes the line that a registry's
// htpasswd file wants, which takes no hash but bcrypt.
func writePassword(in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	user, password, found := strings.Cut(strings.TrimSpace(line), " ")
	if !found {
		return fmt.Errorf("htpasswd: expected \"user password\"")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s:%s\n", user, hash)
	return err
}
